/** Start, stop, restart, reload, crash, pause and resume a service. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { CRASH_KINDS, type CrashKind } from '../src/contract/crash-kind.ts'
import type { FastifyRequest } from 'fastify'
import type { ErrorCode } from '../src/contract/errors.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { ServiceChanges } from '../src/registry/service-changes.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'
import { problems } from '../src/http/problem-responses.ts'
import { type LifecycleResult, ServiceParams } from './schemas/service.ts'
import type { OtherNodes } from './shared/other-nodes.ts'
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
}

export const lifecycleRoutes: FastifyPluginAsyncTypebox<LifecycleRoutesOptions> = async (
  app,
  { registry, changes, chaos, views, others },
) => {
  const result = async (service: SupervisedService, changed: boolean, request: FastifyRequest) => ({
    ...(await views.status(service, request)),
    changed,
  })
  /** The answer once the other nodes have done what is written in the registration. */
  const followed = async (service: SupervisedService, changed: boolean, request: FastifyRequest) => {
    await others.follow(service.name, request)
    return result(service, changed, request)
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
      return followed(service, await registry.wishes.start(service.name, request.caller), request)
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
      const { changed, stoppedDependents } = await registry.wishes.stop(service.name, {
        drain: query.drain ?? true,
        by: request.caller,
      })
      await Promise.all(stoppedDependents.map((name) => others.follow(name, request)))
      return { ...(await followed(service, changed, request)), stoppedDependents }
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
      const { own, answers } = await others.all(service, request, () =>
        registry.wishes.restart(service.name, request.caller),
      )
      const stopped = answers.flatMap(({ text }) => (JSON.parse(text) as LifecycleResult).stoppedDependents ?? [])
      const stoppedDependents = [...new Set([...(own?.stoppedDependents ?? []), ...stopped])]
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
      return result(service, true, request)
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
      await others.all(service, request, () => service.crash(body?.kind ?? 'exception', reason), { mayRefuse: true })
      return result(service, true, request)
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
      return followed(service, await registry.wishes.pause(service.name, request.caller), request)
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
      return followed(service, await registry.wishes.resume(service.name, request.caller), request)
    },
  })
}
