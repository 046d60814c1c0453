/** Lists, registers, replaces, changes and deletes services. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ThreadplaneError } from '../src/contract/errors.ts'
import { NAME_PATTERN } from '../src/contract/options.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { ServiceChanges } from '../src/registry/service-changes.ts'
import { problems } from '../src/http/problem-responses.ts'
import { methodList, ServiceParams } from './schemas/service.ts'
import type { OtherNodes } from './shared/other-nodes.ts'
import type { ServiceViews } from './shared/service-views.ts'

const status = Type.Ref('ServiceStatus', { description: 'The status of the service' })

interface ServiceRoutesOptions {
  registry: Registry
  changes: ServiceChanges
  views: ServiceViews
  others: OtherNodes
}

export const serviceRoutes: FastifyPluginAsyncTypebox<ServiceRoutesOptions> = async (
  app,
  { registry, changes, views, others },
) => {
  app.get('/services', {
    config: { scope: 'read', narrows: true },
    schema: {
      operationId: 'listServices',
      tags: ['Services'],
      summary: 'All services with their status',
      description: 'With `view=summary`, a short form of each service: enough for a table of many.',
      querystring: Type.Object(
        {
          view: Type.Optional(
            Type.Unsafe<'full' | 'summary'>({
              type: 'string',
              enum: ['full', 'summary'],
              default: 'full',
              description: '`summary`: about 300 bytes a service, without its threads, options and methods',
            }),
          ),
        },
        { additionalProperties: false },
      ),
      response: {
        200: {
          description: 'All services',
          content: {
            'application/json': {
              schema: Type.Union([Type.Ref('ServiceList'), Type.Ref('ServiceSummaryList')]),
            },
          },
        },
        ...problems('MALFORMED_QUERY'),
      },
    },
    handler: async (request) => {
      const { access, query } = request
      const { services } = registry
      const seen = access === undefined ? services : services.filter(({ name }) => access.has(['read'], name))
      return {
        items: await (query.view === 'summary' ? views.summaries(seen, request) : views.statuses(seen, request)),
      }
    },
  })

  app.get('/services/:service', {
    config: { scope: 'read' },
    schema: {
      operationId: 'getService',
      tags: ['Services'],
      summary: 'Status of a service',
      description:
        'Its state and the state that a person wants, its threads, its queue, its options and what has been counted.',
      params: ServiceParams,
      response: { 200: status, ...problems('SERVICE_NOT_FOUND') },
    },
    handler: async (request) => views.status(registry.get(request.params.service), request),
  })

  app.get('/services/:service/methods', {
    config: { scope: 'read' },
    schema: {
      operationId: 'listMethods',
      tags: ['Services'],
      summary: 'The methods of a service, with the JSON Schemas of their input and output',
      description: 'As the module describes itself. The schemas are those of the OpenAPI operations of the service.',
      params: ServiceParams,
      response: { 200: Type.Ref('MethodList', { description: 'The methods' }), ...problems('SERVICE_NOT_FOUND') },
    },
    handler: async ({ params }) => methodList(registry.get(params.service)),
  })

  app.put('/services/:service', {
    config: { scope: 'register' },
    schema: {
      operationId: 'putService',
      tags: ['Services'],
      summary: 'Register a service, or replace one, and wait for the start',
      description:
        'The options override the options of the module. A new service whose start fails stays registered: see its `state` and `crashReason`. A running service is replaced without a gap: new threads start beside the old ones and take over when all of them have started. If a new thread does not start, the service continues unchanged.',
      params: ServiceParams,
      body: Type.Unsafe<typeof import('./schemas/service.ts').Registration['static']>(Type.Ref('Registration')),
      response: {
        200: Type.Ref('ServiceStatus', { description: 'The service was replaced' }),
        201: Type.Ref('ServiceStatus', { description: 'The service is new' }),
        ...problems(
          'MALFORMED_BODY',
          'PAYLOAD_TOO_LARGE',
          'UNSUPPORTED_MEDIA_TYPE',
          'VALIDATION_FAILED',
          'MODULE_REFUSED',
          'JOURNAL_UNAVAILABLE',
          'START_FAILED',
          'CONFLICT',
        ),
      },
    },
    handler: async (request, reply) => {
      const { params, body } = request
      const { module, ...options } = body
      const name = params.service
      if (!NAME_PATTERN.test(name)) {
        const message = `the service name ${JSON.stringify(name)} does not match ${NAME_PATTERN.source}`
        throw new ThreadplaneError('VALIDATION_FAILED', message, { errors: [{ pointer: '', message }] })
      }
      const { service, isNew } = await changes.put(name, module, options, request.caller)
      await others.follow(name, request)
      return reply.code(isNew ? 201 : 200).send(await views.status(service, request))
    },
  })

  app.patch('/services/:service', {
    config: { scope: 'operate' },
    schema: {
      operationId: 'patchService',
      tags: ['Services'],
      summary: 'Change options of a service while it runs',
      description:
        'Options that are not named keep their values; `null` sets an option back to the value of the module. Options that a thread gets at its start take effect in new threads, which replace the old ones as in a reload; all other options, `threads` too, take effect at once.',
      params: ServiceParams,
      body: Type.Unsafe<typeof import('./schemas/service.ts').OptionsChange['static']>(Type.Ref('OptionsChange')),
      response: {
        200: status,
        ...problems(
          'SERVICE_NOT_FOUND',
          'MALFORMED_BODY',
          'PAYLOAD_TOO_LARGE',
          'UNSUPPORTED_MEDIA_TYPE',
          'VALIDATION_FAILED',
          'START_FAILED',
          'CONFLICT',
        ),
      },
    },
    handler: async (request) => {
      const { params, body } = request
      await changes.patch(params.service, body)
      await others.follow(params.service, request)
      return views.status(registry.get(params.service), request)
    },
  })

  app.delete('/services/:service', {
    config: { scope: 'register' },
    schema: {
      operationId: 'deleteService',
      tags: ['Services'],
      summary: 'Stop a service and delete it',
      description:
        'With unfinished jobs it is refused, unless `cancelJobs` is true. Finished jobs stay. A service that another one depends on is not deleted.',
      params: ServiceParams,
      querystring: Type.Object(
        {
          cancelJobs: Type.Optional(
            Type.Boolean({ description: 'Cancel the unfinished jobs of the service first', default: false }),
          ),
        },
        { additionalProperties: false },
      ),
      response: {
        204: Type.Null({ description: 'The service is deleted' }),
        ...problems('SERVICE_NOT_FOUND', 'CONFLICT', 'MALFORMED_QUERY', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async (request, reply) => {
      const { params, query } = request
      await changes.remove(params.service, { cancelJobs: query.cancelJobs ?? false, by: request.caller })
      await others.follow(params.service, request)
      return reply.code(204).send(null)
    },
  })
}
