/** Fastify, and its limits on connections and bodies, as both listeners of a server have them: for clients, and for nodes. */
import { maxHeaderSize } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { SHARED_SCHEMAS } from '../../routes/index.ts'
import type { ServiceLog } from '../contract/log.ts'
import { bodyBudget } from '../http/body-budget.ts'
import { clientLimits } from '../http/client-limits.ts'
import { clients } from '../http/clients.ts'
import { errorHandler } from '../http/error-handler.ts'
import { schemaCompilers } from '../http/schema-compilers.ts'
import { SLOW_CLIENT_DEFAULTS, slowClients } from '../http/slow-clients.ts'
import { answerConnect, answerMalformedRequest } from '../http/socket-errors.ts'
import type { ServerOptions, TlsFiles } from './options.ts'

type CompilersFactory = NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>

/** How often Node looks for connections whose headers are late. Its default is 30 s. */
const CHECK_HEADERS_EVERY_MS = 1_000

/** The largest body of a route that takes no payload. JSON of this size is parsed at once. */
const MAX_OTHER_BODY_BYTES = 256 * 1024

/** A node adds headers of its own to those of a client, which may be as many and as long as they are allowed to be. */
const HEADERS_OF_NODES = 20

/** Only the listener for nodes has these. */
export interface ForNodes {
  /** `undefined`: plain HTTP. */
  tls: TlsFiles | undefined
}

export function createFastify(options: ServerOptions, forNodes?: ForNodes): FastifyInstance {
  const { maxBodyBytes = MAX_OTHER_BODY_BYTES } = options
  const { headersMs } = timingsOf(options)
  const http = {
    headersTimeout: headersMs,
    connectionsCheckingInterval: Math.min(CHECK_HEADERS_EVERY_MS, headersMs),
    // The loopback guard checks `Host`. Node would answer without a problem document.
    requireHostHeader: false,
    ...(forNodes && { maxHeaderSize: 2 * maxHeaderSize }),
  }
  const tls = forNodes?.tls && { ...forNodes.tls, handshakeTimeout: headersMs }
  const { validatorCompiler, serializerCompiler } = schemaCompilers(SHARED_SCHEMAS)
  const app: FastifyInstance = Fastify({
    // A logger of Fastify's costs each request a child logger and two listeners, and requests are not logged here.
    logger: false,
    bodyLimit: Math.min(maxBodyBytes, MAX_OTHER_BODY_BYTES),
    // Given here, so that Fastify does not load its own: they take 5 MB and a tenth of the start.
    schemaController: {
      compilersFactory: {
        buildValidator: (() => validatorCompiler) as unknown as NonNullable<CompilersFactory['buildValidator']>,
        buildSerializer: (() => serializerCompiler) as unknown as NonNullable<CompilersFactory['buildSerializer']>,
      },
    },
    // The type of Fastify depends on which of the two there is; nothing here does.
    ...((tls === undefined ? { http } : { https: { ...http, ...tls } }) as { http: typeof http }),
    // No name is too long for the router: the routes answer that such a service, method or job does not exist.
    routerOptions: { maxParamLength: maxHeaderSize },
    forceCloseConnections: 'idle',
    // Closing takes as long as the running methods, within THREADPLANE_SHUTDOWN_TIMEOUT. Fastify would give up after 10 s.
    pluginTimeout: 0,
    // `refuseAtShutdown` does that, with a problem document.
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => answerMalformedRequest(error, socket, headersMs),
    frameworkErrors: (error, request, reply) => {
      app.errorHandler.call(app, error, request, reply)
    },
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.server.on('connect', answerConnect)
  for (const schema of SHARED_SCHEMAS) app.addSchema(schema)
  return app
}

/**
 * Makes a part of another application what `createFastify` makes: the options of its server are those of the application.
 * @param app a context of its own, with a prefix
 */
export function prepareContext(app: FastifyInstance, { maxBodyBytes = MAX_OTHER_BODY_BYTES }: ServerOptions): void {
  app.addHook('onRoute', (route) => {
    route.bodyLimit ??= Math.min(maxBodyBytes, MAX_OTHER_BODY_BYTES)
  })
  const { validatorCompiler, serializerCompiler } = schemaCompilers(SHARED_SCHEMAS)
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  for (const schema of SHARED_SCHEMAS) app.addSchema(schema)
}

/**
 * Whose connections bring the requests: those of clients, those of other nodes, or those of the application that the
 * routes are mounted in. The last limits its connections itself.
 */
export type Connections = 'ofClients' | 'ofNodes' | 'ofHost'

/** Errors as problem documents, and what one connection, and all bodies together, may take of the server. */
export async function registerLimits(
  app: FastifyInstance,
  options: ServerOptions,
  log: ServiceLog,
  connections: Connections,
): Promise<void> {
  const { showStacks = false, maxConnections = 10_000, maxBodiesBytes = 256 * 1024 * 1024 } = options
  const isOwnServer = connections !== 'ofHost'
  const moreHeaders = connections === 'ofNodes' ? HEADERS_OF_NODES : 0
  await app.register(errorHandler, { log, showStacks })
  await app.register(clients, { log, tracksConnections: isOwnServer })
  if (isOwnServer) await app.register(clientLimits, { maxConnections, moreHeaders })
  await app.register(bodyBudget, { maxBytes: maxBodiesBytes })
  if (isOwnServer) await app.register(slowClients, { log, timings: timingsOf(options) })
}

function timingsOf({ slowClients }: ServerOptions) {
  return { ...SLOW_CLIENT_DEFAULTS, ...slowClients }
}
