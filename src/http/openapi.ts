/**
 * The OpenAPI document at `/openapi.json`, `/openapi.yaml` and `/docs`: the routes of the server, and typed operations
 * for each method of each registered service. It follows registrations. It shows the schemas of the modules as they are,
 * not the widened ones that the control thread validates with (P1).
 */
import { Type } from '@sinclair/typebox'
import swagger from '@fastify/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../contract/errors.ts'
import { problems } from './problem-responses.ts'
import { DocsPage } from './docs-page.ts'
import { addExamples } from './openapi-examples.ts'
import { genericPaths, type OpenApiDocument } from './openapi-operations.ts'
import { type DescribedService, OpenApiText } from './openapi-text.ts'

export interface OpenApiOptions {
  /** The version of threadplane. */
  version: string
  /** The services that are registered at present, sorted by name. */
  services: () => DescribedService[]
}

export const openapi = fp<OpenApiOptions>(async (app, { services, version }) => {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'threadplane',
        description: 'An HTTP control plane for worker threads.',
        version,
        contact: { name: 'The threadplane authors' },
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'This server' }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      // Tokens are asked for once there is one.
      security: [{ token: [] }, {}],
      tags: [
        { name: 'Services', description: 'List, register, change and delete services' },
        { name: 'Lifecycle', description: 'Start, stop, reload, crash and pause a service' },
        { name: 'Invocations', description: 'Call a method, or cast it as a job' },
        { name: 'Jobs', description: 'The durable records of casts' },
        { name: 'Schedules', description: 'Casts at the times of a cron expression' },
        { name: 'Events', description: 'What happens in the server, as it happens' },
        { name: 'Logs', description: 'The lines that services write' },
        { name: 'Nodes', description: 'The servers that share a database' },
        { name: 'Access', description: 'Tokens and sessions' },
        { name: 'Health', description: 'Health probes' },
      ],
    },
    refResolver: { buildLocalReference: ({ $id }) => $id as string },
  })

  const { prefix } = app
  const { call, cast } = genericPaths(prefix)
  /** Operations whose body is optional. @fastify/swagger marks every body as required. */
  const bodyOptional = [call, cast, `${prefix}/v1/services/{service}/crash`]
  const base = (): OpenApiDocument => {
    const document = structuredClone(app.swagger()) as unknown as OpenApiDocument
    for (const path of bodyOptional) {
      Object.assign(document.paths[path]?.post?.requestBody as object, { required: false })
    }
    addExamples(document)
    return document
  }
  const text = new OpenApiText(base, services, prefix)
  /** To a narrowed token the document has its services only. Such a text is made for each request, and not kept. */
  const seen = ({ access }: FastifyRequest) =>
    access === undefined || access.has(['read'])
      ? text
      : new OpenApiText(base, () => services().filter(({ name }) => access.has(['read'], name)), prefix)
  const sendJson = async (request: FastifyRequest, reply: FastifyReply) =>
    reply.type('application/json; charset=utf-8').send(await seen(request).json())
  const sendYaml = async (request: FastifyRequest, reply: FastifyReply) =>
    reply.type('application/yaml; charset=utf-8').send(await seen(request).yaml())

  const config = { scope: 'read', narrows: true } as const
  const page = new DocsPage(prefix)
  const pageOptions = { config, schema: { hide: true }, handler: page.answer.bind(page) }
  app.get('/docs', pageOptions)
  app.get('/docs/*', pageOptions)
  app.get('/docs/json', { config, schema: { hide: true }, handler: sendJson })
  app.get('/docs/yaml', { config, schema: { hide: true }, handler: sendYaml })
  app.get('/v1/services/:service/openapi.json', {
    config: { scope: 'read' },
    schema: {
      operationId: 'getServiceDocument',
      tags: ['Services'],
      summary: 'The OpenAPI document of one service',
      description: 'Its operations, and the operations of the server: enough to generate a client for this service.',
      params: Type.Object({ service: Type.String({ description: 'Name of the service' }) }),
      response: {
        200: {
          description: 'An OpenAPI 3.1 document',
          content: { 'application/json': { schema: Type.Unknown() } },
        },
        ...problems('SERVICE_NOT_FOUND'),
      },
    },
    handler: async (request, reply) => {
      const { service: name } = request.params as { service: string }
      const service = services().find((one) => one.name === name)
      if (service === undefined)
        throw new ThreadplaneError('SERVICE_NOT_FOUND', `there is no service ${JSON.stringify(name)}`)
      const document = new OpenApiText(base, () => [service], prefix)
      return reply.type('application/json; charset=utf-8').send(await document.json())
    },
  })
  app.get('/openapi.json', { config, schema: { hide: true }, handler: sendJson })
  app.get('/openapi.yaml', { config, schema: { hide: true }, handler: sendYaml })
})
