/**
 * The OpenAPI document: the fixed routes, and one typed operation per method of each registered service, following
 * registrations live. Schemas are shown unwidened (P1).
 */
import { readFileSync } from 'node:fs'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import { stringify } from 'yaml'
import type { ServiceDescription } from '../contract/description.ts'
import { addServiceOperations, GENERIC, type OpenApiDocument } from './openapi-operations.ts'

/** A payload may be left out, as may what a crash is like; of any body, swagger says that it may not. */
const BODY_OPTIONAL = [GENERIC.call, GENERIC.cast, '/v1/services/{service}/crash']

/** A registered service, and what its module has said of itself. */
export interface DescribedService {
  name: string
  description: ServiceDescription | undefined
}

export interface OpenApiOptions {
  /** The registered services now, by name. */
  services: () => DescribedService[]
}

export const openapi = fp<OpenApiOptions>(async (app, { services }) => {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'threadplane',
        description: 'An HTTP control plane for worker threads.',
        version: packageVersion(),
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'This server' }],
      security: [],
      tags: [
        { name: 'Services', description: 'What there is, and registering it' },
        { name: 'Lifecycle', description: 'Starting, stopping, crashing and pausing a service' },
        { name: 'Invocations', description: 'Calling a method, or casting a job' },
        { name: 'Jobs', description: 'Records of casts' },
        { name: 'Schedules', description: 'Casts by the clock' },
        { name: 'Health', description: 'Probes' },
      ],
    },
    refResolver: { buildLocalReference: ({ $id }) => $id as string },
  })

  let known: DescribedService[] = []
  let document: OpenApiDocument | undefined
  /** Built anew only when a service came, went, or described itself anew. */
  const current = (): OpenApiDocument => {
    const now = services()
    const same =
      now.length === known.length &&
      now.every(({ name, description }, i) => name === known[i]?.name && description === known[i].description)
    if (document === undefined || !same) {
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
    // Its own policy, less `upgrade-insecure-requests`: the page is served over plain HTTP too.
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
    transformSpecification: () => current() as unknown as Readonly<Record<string, unknown>>,
    transformSpecificationClone: false,
  })
  app.get('/openapi.json', { schema: { hide: true }, handler: async () => current() })
  app.get('/openapi.yaml', {
    schema: { hide: true },
    handler: async (_request, reply) => reply.type('application/yaml; charset=utf-8').send(stringify(current())),
  })
})

function packageVersion(): string {
  const url = new URL(import.meta.resolve('threadplane/package.json'))
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
}
