/**
 * Fastify with its plugins and routes, over the parts of a server. The order of registration is the order in which a
 * request meets the hooks:
 *
 * | plugin             | does                                                                        |
 * | ------------------ | --------------------------------------------------------------------------- |
 * | `requestMetrics`   | counts requests by route, for `/metrics`                                    |
 * | `requestLog`       | logs each request, if THREADPLANE_REQUEST_LOG is set                        |
 * | `audit`            | records changes and refusals                                                |
 * | `errorHandler`     | answers every error with a problem document                                 |
 * | `clients`          | ends waits and connections when the server closes                           |
 * | `clientLimits`     | refuses connections, requests and headers beyond their limits               |
 * | `bodyBudget`       | refuses bodies while too many are under way                                 |
 * | `slowClients`      | closes connections of clients that send or read too slowly                  |
 * | `crossOrigin`      | lets pages of the origins in THREADPLANE_ORIGINS call                       |
 * | `loopbackGuard`    | refuses foreign web pages, while no tokens are asked for                     |
 * | `tokenGuard`       | asks for tokens, and for the scopes that routes declare                      |
 * | `jsonBody`         | parses bodies                                                               |
 * | `refuseAtShutdown` | refuses new work once the server closes                                     |
 * | `openapi`          | the OpenAPI document                                                        |
 * | `routes`           | the resources                                                               |
 *
 * This module is slow to load, so `build-server.ts` imports it while the journal opens.
 */
import { maxHeaderSize } from 'node:http'
import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import { join } from 'node:path'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { routes, SHARED_SCHEMAS } from '../../routes/index.ts'
import { ServiceStats, snapshotOf, STATS_COLUMNS } from '../../routes/shared/service-stats.ts'
import { packageVersion } from '../config.ts'
import type { AuditTrail } from '../auth/audit-trail.ts'
import type { AuditStore } from '../contract/audit.ts'
import type { ServiceLog } from '../contract/log.ts'
import { audit } from '../http/audit.ts'
import { bodyBudget } from '../http/body-budget.ts'
import { clientLimits } from '../http/client-limits.ts'
import { clients } from '../http/clients.ts'
import { Credentials } from '../http/credentials.ts'
import { crossOrigin } from '../http/cross-origin.ts'
import { errorHandler } from '../http/error-handler.ts'
import { jsonBody } from '../http/json-body.ts'
import { loopbackGuard } from '../http/loopback-guard.ts'
import { openapi } from '../http/openapi.ts'
import { requestLog } from '../http/request-log.ts'
import { requestMetrics } from '../http/request-metrics.ts'
import { schemaCompilers } from '../http/schema-compilers.ts'
import { SLOW_CLIENT_DEFAULTS, slowClients } from '../http/slow-clients.ts'
import { answerConnect, answerMalformedRequest } from '../http/socket-errors.ts'
import type { EventLog } from '../events/event-log.ts'
import type { LogBook } from '../events/log-book.ts'
import type { LogStreams } from '../events/log-streams.ts'
import { EventStreams } from '../events/event-streams.ts'
import { tokenGuard } from '../http/token-guard.ts'
import type { Dispatcher } from '../jobs/dispatcher.ts'
import type { Schedules } from '../jobs/schedules.ts'
import { PayloadChecker } from '../payload/payload-checker.ts'
import { type Registry, shuttingDown } from '../registry/registry.ts'
import { SeriesRecorder } from '../registry/series.ts'
import { ServiceChanges } from '../registry/service-changes.ts'
import { Metrics, type MetricsOptions } from '../scrape/metrics.ts'
import { HttpMeter } from '../telemetry/http-meter.ts'
import { observeProcess } from '../telemetry/process-metrics.ts'
import { Profiles } from '../services/profiles.ts'
import type { ServerOptions } from './options.ts'

/** How often Node looks for connections whose headers are late. Its default is 30 s. */
const CHECK_HEADERS_EVERY_MS = 1_000

/** The largest body of a route that takes no payload. JSON of this size is parsed at once. */
const MAX_OTHER_BODY_BYTES = 256 * 1024

/** What the routes work on. */
export interface AppParts {
  registry: Registry
  dispatcher: Dispatcher
  schedules: Schedules
  events: EventLog
  book: LogBook
  logStreams: LogStreams
  journal: MetricsOptions['journal'] & AuditStore
  trail: AuditTrail
}

/** Closing the app closes none of the parts, and ends no stream: `buildServer` adds the hooks for that. */
export async function buildApp(
  options: ServerOptions,
  parts: AppParts,
): Promise<{ app: FastifyInstance; streams: EventStreams }> {
  const {
    log,
    allowedHosts = [],
    requestLog: logsRequests = false,
    chaos = true,
    showStacks = false,
    maxConnections = 10_000,
    tokens,
    origins = [],
  } = options
  const { registry, dispatcher, schedules, events, book, logStreams, journal, trail } = parts
  const timings = { ...SLOW_CLIENT_DEFAULTS, ...options.slowClients }
  const { maxBodyBytes = 10 * 1024 * 1024 } = options
  const app = createFastify(Math.min(maxBodyBytes, MAX_OTHER_BODY_BYTES), timings.headersMs)
  for (const schema of SHARED_SCHEMAS) app.addSchema(schema)
  const http = new HttpMeter()
  observeProcess()
  await app.register(requestMetrics, { meter: http })
  if (logsRequests) await app.register(requestLog, { log })
  const asksForTokens = () => tokens?.asked === true
  await app.register(audit, { record: (row) => trail.record(row), asksForTokens })
  await app.register(errorHandler, { log, showStacks })
  await app.register(clients, { log })
  await app.register(clientLimits, { maxConnections })
  await app.register(bodyBudget, { maxBytes: options.maxBodiesBytes ?? 256 * 1024 * 1024 })
  await app.register(slowClients, { log, timings })
  const credentials = tokens && new Credentials(tokens)
  // Without its hooks, which would cost each request and each answer: cookies are read only where no token is sent.
  await app.register(cookie, { hook: false })
  await app.register(crossOrigin, { origins })
  await app.register(loopbackGuard, { allowedHosts, origins, asksForTokens })
  await app.register(tokenGuard, { credentials })
  await app.register(jsonBody)
  await app.register(refuseAtShutdown, { registry })
  const version = packageVersion()
  await app.register(openapi, {
    version,
    services: () => registry.services.map(({ name, contract }) => ({ name, description: contract.description })),
  })
  const changes = new ServiceChanges(registry)
  const checker = new PayloadChecker()
  const stats = new ServiceStats(registry)
  const streams = new EventStreams({
    log: events,
    version,
    maxStreams: options.maxStreams ?? 100,
    snapshot: (filter) => snapshotOf(registry, filter),
    stats: () => stats.changed(),
    statsColumns: STATS_COLUMNS,
    book,
  })
  trail.onRow = (row) => streams.audited(row)
  const series = new SeriesRecorder(() => registry.services)
  await app.register(routes, {
    version,
    registry,
    changes,
    invoker: registry,
    dispatcher,
    maxBodyBytes,
    checker,
    traces: options.traces,
    schedules,
    events,
    streams,
    logStreams,
    metrics: new Metrics({ version, registry, schedules, journal, http, log: book, streams, access: credentials }),
    series,
    profiles: new Profiles(join(options.data, 'profiles')),
    chaos,
    credentials,
    audits: journal,
  })
  app.addHook('onClose', () => checker.close())
  app.addHook('onClose', async () => tokens?.close())
  app.addHook('onClose', async () => series.close())
  app.addHook('onListen', async () => logAddresses(app, log))
  return { app, streams }
}

function createFastify(bodyLimit: number, headersMs: number): FastifyInstance {
  const app = Fastify({
    // A logger of Fastify's costs each request a child logger and two listeners, and requests are not logged here.
    logger: false,
    bodyLimit,
    schemaController: schemaCompilers(SHARED_SCHEMAS),
    http: {
      headersTimeout: headersMs,
      connectionsCheckingInterval: Math.min(CHECK_HEADERS_EVERY_MS, headersMs),
      // The loopback guard checks `Host`. Node would answer without a problem document.
      requireHostHeader: false,
    },
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
  return app
}

/** Reading is allowed to the end, new work is not. */
const refuseAtShutdown = fp<{ registry: Registry }>(async (app, { registry }) => {
  app.addHook('onRequest', ({ method }, _reply, done) => {
    if (!registry.closing || method === 'GET' || method === 'HEAD') return done()
    done(shuttingDown())
  })
})

function logAddresses(app: FastifyInstance, log: ServiceLog): void {
  for (const { address, family, port } of app.addresses() as AddressInfo[]) {
    log.info(`Server listening at http://${family === 'IPv6' ? `[${address}]` : address}:${port}`)
  }
}
