/** Starting, stopping, reloading, crashing and pausing a service. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { CRASH_KINDS, type CrashKind } from '../src/contract/crash-kind.ts'
import type { ErrorCode } from '../src/contract/errors.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { ServiceChanges } from '../src/registry/service-changes.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'
import { problems } from '../src/http/problem.ts'
import { ServiceParams, serviceStatus } from './schemas/service.ts'

function operation(id: string, summary: string, ...codes: ErrorCode[]) {
  return {
    operationId: `${id}Service`,
    tags: ['Lifecycle'],
    summary,
    params: ServiceParams,
    response: {
      200: Type.Ref('LifecycleResult', { description: 'The status afterwards' }),
      ...problems('SERVICE_NOT_FOUND', ...codes),
    },
  }
}

export interface LifecycleRoutesOptions {
  registry: Registry
  changes: ServiceChanges
  /** May a client crash a service on purpose? */
  chaos: boolean
}

export const lifecycleRoutes: FastifyPluginAsyncTypebox<LifecycleRoutesOptions> = async (
  app,
  { registry, changes, chaos },
) => {
  const result = (service: SupervisedService, changed: boolean) => ({ ...serviceStatus(service), changed })

  app.post('/services/:service/start', {
    schema: operation(
      'start',
      'Start what it depends on, then it; wait until it runs',
      'START_FAILED',
      'CONFLICT',
      'JOURNAL_UNAVAILABLE',
    ),
    handler: async ({ params }) => {
      const service = registry.get(params.service)
      return result(service, await registry.start(service.name))
    },
  })

  app.post('/services/:service/stop', {
    schema: {
      ...operation(
        'stop',
        'Stop what depends on it, then it; what is queued is run first',
        'MALFORMED_QUERY',
        'JOURNAL_UNAVAILABLE',
      ),
      querystring: Type.Object(
        { drain: Type.Optional(Type.Boolean({ description: 'false: reject what is queued', default: true })) },
        { additionalProperties: false },
      ),
    },
    handler: async ({ params, query }) => {
      const service = registry.get(params.service)
      const { changed, stoppedDependents } = await registry.stop(service.name, { drain: query.drain ?? true })
      return { ...result(service, changed), stoppedDependents }
    },
  })

  app.post('/services/:service/restart', {
    schema: operation(
      'restart',
      'Stop it, and start it, with what depends on it',
      'START_FAILED',
      'CONFLICT',
      'JOURNAL_UNAVAILABLE',
    ),
    handler: async ({ params }) => {
      const service = registry.get(params.service)
      const { stoppedDependents } = await registry.restart(service.name)
      return { ...result(service, true), stoppedDependents }
    },
  })

  app.post('/services/:service/reload', {
    schema: {
      ...operation(
        'reload',
        'Replace its code live by what its module is now',
        'START_FAILED',
        'CONFLICT',
        'MODULE_REFUSED',
        'VALIDATION_FAILED',
      ),
      description:
        'New threads start beside the old ones and take over once all have started; the old ones finish what they have begun. If one does not start, the service goes on as it was. Of a stopped service, the module is asked anew what it is.',
    },
    handler: async ({ params }) => {
      const service = registry.get(params.service)
      await changes.reload(service.name)
      return result(service, true)
    },
  })

  app.post('/services/:service/crash', {
    schema: {
      ...operation(
        'crash',
        'Crash it on purpose, to see what its supervisor does',
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
    // A schema of a body wants one.
    preValidation: async (request) => {
      if (request.body === undefined) request.body = {}
    },
    handler: async ({ params, body }) => {
      const service = registry.get(params.service)
      if (!chaos) throw service.error('FORBIDDEN', 'THREADPLANE_CHAOS is false: no service is crashed on purpose here')
      await service.crash(body?.kind ?? 'exception', body?.reason ?? 'crashed on purpose, over HTTP')
      return result(service, true)
    },
  })

  app.post('/services/:service/pause', {
    schema: operation('pause', 'Dispatch nothing until it is resumed; casts are still accepted', 'CONFLICT'),
    handler: async ({ params }) => {
      const service = registry.get(params.service)
      return result(service, service.pause())
    },
  })

  app.post('/services/:service/resume', {
    schema: operation('resume', 'Dispatch again', 'CONFLICT'),
    handler: async ({ params }) => {
      const service = registry.get(params.service)
      return result(service, service.resume())
    },
  })
}
