/** Start, stop, restart, reload, crash, pause and resume a service. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { CRASH_KINDS, type CrashKind } from '../src/contract/crash-kind.ts'
import type { ErrorCode } from '../src/contract/errors.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { ServiceChanges } from '../src/registry/service-changes.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'
import { problems } from '../src/http/problem-responses.ts'
import { ServiceParams, serviceStatus } from './schemas/service.ts'

function operation(id: string, summary: string, ...codes: ErrorCode[]) {
  return {
    operationId: `${id}Service`,
    tags: ['Lifecycle'],
    summary,
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
}

export const lifecycleRoutes: FastifyPluginAsyncTypebox<LifecycleRoutesOptions> = async (
  app,
  { registry, changes, chaos },
) => {
  const result = (service: SupervisedService, changed: boolean) => ({ ...serviceStatus(service), changed })

  app.post('/services/:service/start', {
    config: { scope: 'operate' },
    schema: operation(
      'start',
      'Start the service, after the services that it depends on; wait until it runs',
      'START_FAILED',
      'CONFLICT',
      'JOURNAL_UNAVAILABLE',
    ),
    handler: async ({ caller, params }) => {
      const service = registry.get(params.service)
      return result(service, await registry.wishes.start(service.name, caller))
    },
  })

  app.post('/services/:service/stop', {
    config: { scope: 'operate' },
    schema: {
      ...operation(
        'stop',
        'Stop the service, after the services that depend on it; its queued calls run first',
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
    handler: async ({ caller: by, params, query }) => {
      const service = registry.get(params.service)
      const { changed, stoppedDependents } = await registry.wishes.stop(service.name, {
        drain: query.drain ?? true,
        by,
      })
      return { ...result(service, changed), stoppedDependents }
    },
  })

  app.post('/services/:service/restart', {
    config: { scope: 'operate' },
    schema: operation(
      'restart',
      'Stop the service and start it again, with the services that depend on it',
      'START_FAILED',
      'CONFLICT',
      'JOURNAL_UNAVAILABLE',
    ),
    handler: async ({ caller, params }) => {
      const service = registry.get(params.service)
      const { stoppedDependents } = await registry.wishes.restart(service.name, caller)
      return { ...result(service, true), stoppedDependents }
    },
  })

  app.post('/services/:service/reload', {
    config: { scope: 'operate' },
    schema: {
      ...operation(
        'reload',
        'Load the module again and replace the running code',
        'START_FAILED',
        'CONFLICT',
        'MODULE_REFUSED',
        'VALIDATION_FAILED',
      ),
      description:
        'New threads start beside the old ones and take over when all of them have started; the old ones finish the methods that they have begun. If a new thread does not start, the service continues unchanged. If the service is stopped, only its description is read again.',
    },
    handler: async ({ params }) => {
      const service = registry.get(params.service)
      await changes.reload(service.name)
      return result(service, true)
    },
  })

  app.post('/services/:service/crash', {
    config: { scope: 'operate' },
    schema: {
      ...operation(
        'crash',
        'Crash the service on purpose, to see what its supervisor does',
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
    handler: async ({ params, body }) => {
      const service = registry.get(params.service)
      if (!chaos) {
        const detail = 'THREADPLANE_CHAOS is false: clients of this server may not crash a service on purpose'
        throw service.error('FORBIDDEN', detail)
      }
      await service.crash(body?.kind ?? 'exception', body?.reason ?? 'a client crashed the service on purpose')
      return result(service, true)
    },
  })

  app.post('/services/:service/pause', {
    config: { scope: 'operate' },
    schema: operation(
      'pause',
      'Run no further methods until the service is resumed; casts are still accepted',
      'CONFLICT',
      'JOURNAL_UNAVAILABLE',
    ),
    handler: async ({ caller, params }) => {
      const service = registry.get(params.service)
      return result(service, await registry.wishes.pause(service.name, caller))
    },
  })

  app.post('/services/:service/resume', {
    config: { scope: 'operate' },
    schema: operation('resume', 'Run methods again after a pause', 'CONFLICT', 'JOURNAL_UNAVAILABLE'),
    handler: async ({ caller, params }) => {
      const service = registry.get(params.service)
      return result(service, await registry.wishes.resume(service.name, caller))
    },
  })
}
