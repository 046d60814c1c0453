/** Start, stop, restart, reload, crash, pause and resume a service. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { DesiredState } from '../src/contract/states.ts'
import { CRASH_KINDS, type CrashKind } from '../src/contract/crash-kind.ts'
import type { FastifyRequest } from 'fastify'
import type { ErrorCode } from '../src/contract/errors.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { ServiceChanges } from '../src/registry/service-changes.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'
import { problems } from '../src/http/problem-responses.ts'
import { ServiceParams } from './schemas/service.ts'
import type { Done, OtherNodes } from './shared/other-nodes.ts'
import type { ServiceViews } from './shared/service-views.ts'

function operation(id: string, [summary, description]: [string, string], ...codes: ErrorCode[]) {
  return {
    operationId: `${id}Service`,
    tags: ['Lifecycle'],
    summary,
    description,
    params: ServiceParams,
    response: {
      200: Type.Ref('LifecycleResult', { description: 'The status after the operation' }),
      ...problems('SERVICE_NOT_FOUND', ...codes),
    },
  }
}

export interface LifecycleRoutesOptions {
  registry: Registry
  changes: ServiceChanges
  /** False: clients may not crash a service on purpose. */
  chaos: boolean
  views: ServiceViews
  others: OtherNodes
  /** Do other nodes ask? The one that a client has asked writes what is wanted, and asks the others to do it. */
  isForNodes: boolean
}

export const lifecycleRoutes: FastifyPluginAsyncTypebox<LifecycleRoutesOptions> = async (
  app,
  { registry, changes, chaos, views, others, isForNodes },
) => {
  const { wishes } = registry
  const { areShared } = registry.options.registrations
  /** The answer once all nodes have seen what is written. */
  const result = async (service: SupervisedService, changed: boolean, request: FastifyRequest) => {
    await others.follow(service.name, request)
    return { ...(await views.status(service, request)), changed }
  }
  /**
   * Writes what a person wants of a service, and has all nodes do it. Where they share what is written, the write decides
   * what has changed: another node may have read it before it is asked. What a node does beyond that changes something too.
   */
  const wanted = async (
    {
      service,
      request,
      desiredState,
    }: { service: SupervisedService; request: FastifyRequest; desiredState: DesiredState },
    write: () => Promise<boolean>,
    act: () => Promise<Partial<Done>>,
    did?: (done: Done) => boolean,
  ) => {
    const isMore = !areShared || service.desiredState === desiredState
    // It begins before the act: what is wanted until then counts.
    const writing = isForNodes ? false : write()
    const here = async () => {
      const { changed = false, ...done } = await act()
      return { ...done, changed: changed && isMore }
    }
    const [isNew, done] = await Promise.all([writing, others.all(service, request, here, did)])
    const stoppedDependents = [...new Set(done.flatMap(({ stoppedDependents: stopped = [] }) => stopped))]
    return { changed: (areShared && isNew) || done.some(({ changed }) => changed), stoppedDependents }
  }
  /** Pauses or resumes a service on all nodes that run it, and then writes that: only where it can be done. */
  const pause = async (service: SupervisedService, request: FastifyRequest, paused: boolean) => {
    const by = request.caller
    const here = async () => ({ changed: paused ? service.pause(by) : service.resume(by) })
    const done = await others.all(service, request, here, () => true)
    const isNew = !isForNodes && (await wishes.keepPaused(service.name, paused))
    return result(service, areShared ? isNew : done.some(({ changed }) => changed), request)
  }

  app.post('/services/:service/start', {
    config: { scope: 'operate' },
    schema: operation(
      'start',
      [
        'Start the service, after the services that it depends on; wait until it runs',
        'If it runs already, the answer says `changed: false`. It comes when all threads have started, or says why one has not.',
      ],
      'START_FAILED',
      'CONFLICT',
      'JOURNAL_UNAVAILABLE',
    ),
    handler: async (request) => {
      const service = registry.get(request.params.service)
      const { changed } = await wanted(
        { service, request, desiredState: 'running' },
        () => wishes.keep(service, 'running'),
        async () => ({ changed: await service.start({ by: request.caller }) }),
        // Where it is stopped after that, it is not to run.
        ({ state }) => state !== 'stopped',
      )
      return result(service, changed, request)
    },
  })

  app.post('/services/:service/stop', {
    config: { scope: 'operate' },
    schema: {
      ...operation(
        'stop',
        [
          'Stop the service, after the services that depend on it; its queued calls run first',
          'It stays stopped over a restart of the server. With `drain=false` queued calls are rejected at once. Its jobs wait until it runs again.',
        ],
        'MALFORMED_QUERY',
        'JOURNAL_UNAVAILABLE',
      ),
      querystring: Type.Object(
        {
          drain: Type.Optional(
            Type.Boolean({
              description: 'false: reject the queued calls instead of running them',
              default: true,
            }),
          ),
        },
        { additionalProperties: false },
      ),
    },
    handler: async (request) => {
      const { params, query } = request
      const service = registry.get(params.service)
      const { changed, stoppedDependents } = await wanted(
        { service, request, desiredState: 'stopped' },
        () => wishes.keepStopped(service.name),
        () => wishes.stop(service.name, { drain: query.drain ?? true, by: request.caller }),
        () => true,
      )
      await Promise.all(stoppedDependents.map((name) => others.follow(name, request)))
      return { ...(await result(service, changed, request)), stoppedDependents }
    },
  })

  app.post('/services/:service/restart', {
    config: { scope: 'operate' },
    schema: operation(
      'restart',
      [
        'Stop the service and start it again, with the services that depend on it',
        'To load new code without a gap, reload the service instead.',
      ],
      'START_FAILED',
      'CONFLICT',
      'JOURNAL_UNAVAILABLE',
    ),
    handler: async (request) => {
      const service = registry.get(request.params.service)
      const { stoppedDependents } = await wanted(
        { service, request, desiredState: 'running' },
        () => wishes.keep(service, 'running', { resumes: true }),
        () => wishes.restart(service.name, request.caller),
      )
      return { ...(await result(service, true, request)), stoppedDependents }
    },
  })

  app.post('/services/:service/reload', {
    config: { scope: 'operate' },
    schema: operation(
      'reload',
      [
        'Load the module again and replace the running code',
        'New threads start beside the old ones and take over when all of them have started; the old ones finish the methods that they have begun. If a new thread does not start, the service continues unchanged. If the service is stopped, only its description is read again. In a cluster, one node reloads after the other; the first that fails ends that, and the error names it.',
      ],
      'START_FAILED',
      'CONFLICT',
      'MODULE_REFUSED',
      'VALIDATION_FAILED',
    ),
    handler: async (request) => {
      const service = registry.get(request.params.service)
      await others.oneByOne(service, request, () => changes.reload(service.name))
      return { ...(await views.status(service, request)), changed: true }
    },
  })

  app.post('/services/:service/crash', {
    config: { scope: 'operate' },
    schema: {
      ...operation(
        'crash',
        [
          'Crash the service on purpose, to see what its supervisor does',
          'An exception, an exit, an endless loop or exhausted memory in one of its threads, as if the module had done it.',
        ],
        'CONFLICT',
        'MALFORMED_BODY',
        'VALIDATION_FAILED',
        'PAYLOAD_TOO_LARGE',
        'UNSUPPORTED_MEDIA_TYPE',
      ),
      body: Type.Optional(
        Type.Object(
          {
            reason: Type.Optional(Type.String({ maxLength: 1_000 })),
            kind: Type.Optional(
              Type.Unsafe<CrashKind>({ type: 'string', enum: [...CRASH_KINDS], default: 'exception' }),
            ),
          },
          { additionalProperties: false },
        ),
      ),
    },
    // The schema of a body refuses a request without one.
    preValidation: async (request) => {
      if (request.body === undefined) request.body = {}
    },
    handler: async (request) => {
      const { params, body } = request
      const service = registry.get(params.service)
      if (!chaos) {
        const detail = 'THREADPLANE_CHAOS is false: clients of this server may not crash a service on purpose'
        throw service.error('FORBIDDEN', detail)
      }
      const reason = body?.reason ?? 'a client crashed the service on purpose'
      const here = async () => {
        await service.crash(body?.kind ?? 'exception', reason)
        return { changed: true }
      }
      await others.all(service, request, here, () => true)
      return { ...(await views.status(service, request)), changed: true }
    },
  })

  app.post('/services/:service/pause', {
    config: { scope: 'operate' },
    schema: operation(
      'pause',
      [
        'Run no further methods until the service is resumed; casts are still accepted',
        'Calls and jobs wait. What has begun continues.',
      ],
      'CONFLICT',
      'JOURNAL_UNAVAILABLE',
    ),
    handler: async (request) => {
      const service = registry.get(request.params.service)
      return pause(service, request, true)
    },
  })

  app.post('/services/:service/resume', {
    config: { scope: 'operate' },
    schema: operation(
      'resume',
      ['Run methods again after a pause', 'What has waited runs in its order.'],
      'CONFLICT',
      'JOURNAL_UNAVAILABLE',
    ),
    handler: async (request) => {
      const service = registry.get(request.params.service)
      return pause(service, request, false)
    },
  })
}
