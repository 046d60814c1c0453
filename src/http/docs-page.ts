/**
 * The page at `/docs` that shows the OpenAPI document. It is made when it is asked for first, by a server of its own that
 * listens nowhere: its packages would take a tenth of the time of each start, and most servers never show it.
 */
import swagger from '@fastify/swagger'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'

/** The bar at the top of the page is dark in both themes. */
const NAME_IMAGE =
  '<svg xmlns="http://www.w3.org/2000/svg" width="170" height="40"><text x="0" y="27" font-family="system-ui, sans-serif" font-size="24" font-weight="600" fill="#fff">threadplane</text></svg>'

/** These are about one connection. */
const NOT_PASSED_ON = ['connection', 'date', 'keep-alive', 'transfer-encoding']

export class DocsPage {
  readonly #prefix: string
  #app: Promise<FastifyInstance> | undefined

  /** @param prefix of all paths */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** Answers a request for the page or for one of its files. */
  async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    this.#app ??= makeApp(this.#prefix)
    // If it cannot be made, the next request tries again.
    const app = await this.#app.catch((error: unknown) => {
      this.#app = undefined
      throw error
    })
    const { url, headers } = request
    // Also for HEAD: Fastify then sends the length of the body, and leaves the body out.
    const { statusCode, rawPayload, ...answer } = await app.inject({ method: 'GET', url, headers })
    if (statusCode === 404) return reply.callNotFound() ?? reply
    if (statusCode >= 400) throw Object.assign(new Error(answer.statusMessage), { statusCode })
    for (const name of NOT_PASSED_ON) delete answer.headers[name]
    return reply.code(statusCode).headers(answer.headers).send(rawPayload)
  }
}

async function makeApp(prefix: string): Promise<FastifyInstance> {
  const { default: swaggerUi } = await import('@fastify/swagger-ui')
  const app = fastify()
  // The page's plugin asks for it. The page gets the document from the server.
  await app.register(swagger)
  await app.register(swaggerUi, {
    routePrefix: `${prefix}/docs`,
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
    logo: { type: 'image/svg+xml', content: Buffer.from(NAME_IMAGE), href: `${prefix}/docs` },
    // With a field to choose a service by its tag.
    uiConfig: { filter: true, displayRequestDuration: true },
  })
  return app
}
