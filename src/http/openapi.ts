/**
 * The OpenAPI document at `/openapi.json`, `/openapi.yaml` and `/docs`: the routes of the server, and typed operations
 * for each method of each registered service. It follows registrations. It shows the schemas of the modules as they are,
 * not the widened ones that the control thread validates with (P1).
 */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import { stringify } from 'yaml'
import type { ServiceDescription } from '../contract/description.ts'
import { addServiceOperations, GENERIC, type OpenApiDocument } from './openapi-operations.ts'

/** Operations whose body is optional. @fastify/swagger marks every body as required. */
const BODY_OPTIONAL = [GENERIC.call, GENERIC.cast, '/v1/services/{service}/crash']

/** A registered service. */
export interface DescribedService {
  name: string
  /** What its module says of itself; `undefined` until the module has been loaded once. */
  description: ServiceDescription | undefined
}

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
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'This server' }],
      security: [],
      tags: [
        { name: 'Services', description: 'List, register, change and delete services' },
        { name: 'Lifecycle', description: 'Start, stop, reload, crash and pause a service' },
        { name: 'Invocations', description: 'Call a method, or cast it as a job' },
        { name: 'Jobs', description: 'The durable records of casts' },
        { name: 'Schedules', description: 'Casts at the times of a cron expression' },
        { name: 'Health', description: 'Health probes' },
      ],
    },
    refResolver: { buildLocalReference: ({ $id }) => $id as string },
  })

  let known: DescribedService[] = []
  let document: OpenApiDocument | undefined
  /** The document is built again only if a service was added or deleted, or its description changed. */
  const currentDocument = (): OpenApiDocument => {
    const now = services()
    const isUnchanged =
      now.length === known.length &&
      now.every(({ name, description }, i) => name === known[i]?.name && description === known[i].description)
    if (document === undefined || !isUnchanged) {
      known = now
      document = structuredClone(app.swagger()) as unknown as OpenApiDocument
      for (const path of BODY_OPTIONAL)
        Object.assign(document.paths[path]?.post?.requestBody as object, { required: false })
      for (const { name, description } of now) if (description) addServiceOperations(document, name, description)
    }
    return document
  }

  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // The default policy of the page without `upgrade-insecure-requests`, because the server speaks plain HTTP.
    staticCSP: {
      'default-src': ["'self'"],
      'base-uri': ["'self'"],
      'font-src': ["'self'", 'data:'],
      'img-src': ["'self'", 'data:'],
      'object-src': ["'none'"],
      'frame-ancestors': ["'self'"],
      'script-src': ["'self'"],
      'style-src': ["'self'", "'unsafe-inline'"],
    },
    theme: { title: 'threadplane' },
    transformSpecification: () => currentDocument() as unknown as Readonly<Record<string, unknown>>,
    transformSpecificationClone: false,
  })
  app.get('/openapi.json', { schema: { hide: true }, handler: async () => currentDocument() })
  app.get('/openapi.yaml', {
    schema: { hide: true },
    handler: async (_request, reply) =>
      reply.type('application/yaml; charset=utf-8').send(stringify(currentDocument())),
  })
})
