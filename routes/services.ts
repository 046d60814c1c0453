/** The services: what there is, and registering, replacing and forgetting them. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ThreadplaneError } from '../src/contract/errors.ts'
import { NAME_PATTERN } from '../src/contract/options.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { ServiceChanges } from '../src/registry/service-changes.ts'
import { problems } from '../src/http/problem.ts'
import { methodList, ServiceParams, serviceStatus } from './schemas/service.ts'

const status = Type.Ref('ServiceStatus', { description: 'The status of the service' })

interface ServiceRoutesOptions {
  registry: Registry
  changes: ServiceChanges
}

export const serviceRoutes: FastifyPluginAsyncTypebox<ServiceRoutesOptions> = async (app, { registry, changes }) => {
  app.get('/services', {
    schema: {
      operationId: 'listServices',
      tags: ['Services'],
      summary: 'All services with their status',
      response: { 200: Type.Ref('ServiceList', { description: 'All services' }), ...problems() },
    },
    handler: async () => ({ items: registry.services.map(serviceStatus) }),
  })

  app.get('/services/:service', {
    schema: {
      operationId: 'getService',
      tags: ['Services'],
      summary: 'Status of a service',
      params: ServiceParams,
      response: { 200: status, ...problems('SERVICE_NOT_FOUND') },
    },
    handler: async ({ params }) => serviceStatus(registry.get(params.service)),
  })

  app.get('/services/:service/methods', {
    schema: {
      operationId: 'listMethods',
      tags: ['Services'],
      summary: 'The methods of a service, with JSON Schemas of what they take and return',
      params: ServiceParams,
      response: { 200: Type.Ref('MethodList', { description: 'Its methods' }), ...problems('SERVICE_NOT_FOUND') },
    },
    handler: async ({ params }) => methodList(registry.get(params.service)),
  })

  app.put('/services/:service', {
    schema: {
      operationId: 'putService',
      tags: ['Services'],
      summary: 'Register a service, or replace one, and wait for its start',
      description:
        'The options override those of the module. A first registration whose start fails is kept: see its `state` and `crashReason`. One that runs is replaced live: new threads start beside the old ones and take over once all have started; if one does not start, the service goes on as it was.',
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
    handler: async ({ params, body: { module, ...options } }, reply) => {
      const name = params.service
      if (!NAME_PATTERN.test(name)) {
        throw new ThreadplaneError('VALIDATION_FAILED', `a service's name must match ${NAME_PATTERN.source}`, {
          errors: [{ pointer: '', message: `the name ${JSON.stringify(name)} does not match ${NAME_PATTERN.source}` }],
        })
      }
      const { service, isNew } = await changes.put(name, module, options)
      return reply.code(isNew ? 201 : 200).send(serviceStatus(service))
    },
  })

  app.patch('/services/:service', {
    schema: {
      operationId: 'patchService',
      tags: ['Services'],
      summary: 'Change options of a service live',
      description:
        '`null` gives an option back to the module. `threads` grows and shrinks; what a thread is given at its start comes into force with new threads, which replace the old ones as in a reload.',
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
    handler: async ({ params, body }) => {
      await changes.patch(params.service, body)
      return serviceStatus(registry.get(params.service))
    },
  })

  app.delete('/services/:service', {
    schema: {
      operationId: 'deleteService',
      tags: ['Services'],
      summary: 'Stop a service and forget it',
      params: ServiceParams,
      querystring: Type.Object(
        { cancelJobs: Type.Optional(Type.Boolean({ description: 'Cancel its unfinished jobs', default: false })) },
        { additionalProperties: false },
      ),
      response: {
        204: Type.Null({ description: 'It is gone' }),
        ...problems('SERVICE_NOT_FOUND', 'CONFLICT', 'MALFORMED_QUERY', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async ({ params, query }, reply) => {
      await changes.remove(params.service, { cancelJobs: query.cancelJobs ?? false })
      return reply.code(204).send(null)
    },
  })
}
