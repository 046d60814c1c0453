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
 * | `page`             | the files of the page                                                       |
 * | `routes`           | the resources                                                               |
 *
 * This module is slow to load, so `build-server.ts` imports it while the journal opens.
 */
import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { routes, type RoutesOptions } from '../../routes/index.ts'
import { ServiceStats, STATS_COLUMNS } from '../../routes/shared/service-stats.ts'
import { packageVersion } from '../system/package-version.ts'
import type { AuditTrail } from '../auth/audit-trail.ts'
import type { ClusterNode } from '../cluster/cluster-node.ts'
import type { Forwarder } from '../cluster/forwarder.ts'
import type { PeerEvents, PeerEventSink } from '../cluster/peer-events.ts'
import type { Plane } from '../cluster/plane.ts'
import type { AuditStore } from '../contract/audit.ts'
import type { ServiceLog } from '../contract/log.ts'
import { audit } from '../http/audit.ts'
import { Credentials } from '../http/credentials.ts'
import { crossOrigin } from '../http/cross-origin.ts'
import { jsonBody } from '../http/json-body.ts'
import { loopbackGuard } from '../http/loopback-guard.ts'
import { openapi } from '../http/openapi.ts'
import { page } from '../http/page.ts'
import { requestLog } from '../http/request-log.ts'
import { requestMetrics } from '../http/request-metrics.ts'
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
import type { ServiceChanges } from '../registry/service-changes.ts'
import { Metrics, type MetricsOptions } from '../scrape/metrics.ts'
import { HttpMeter } from '../telemetry/http-meter.ts'
import { observeProcess } from '../telemetry/process-metrics.ts'
import { Profiles } from '../services/profiles.ts'
import { createFastify, prepareContext, registerLimits } from './create-fastify.ts'
import { foreignEvents } from './foreign-events.ts'
import type { ServerOptions } from './options.ts'

/** What the routes work on. */
export interface AppParts {
  registry: Registry
  changes: ServiceChanges
  dispatcher: Dispatcher
  schedules: Schedules
  events: EventLog
  book: LogBook
  logStreams: LogStreams
  journal: MetricsOptions['journal'] & AuditStore
  /** What an accepted job survives, if the store knows that. */
  durability: string | undefined
  trail: AuditTrail
  /** Sends calls to other nodes; `undefined`: the server is alone. */
  forwarder: Forwarder | undefined
  /** This server among others, and the others. */
  node: ClusterNode | undefined
  plane: Plane | undefined
  /** Follows the events of the others. */
  followEvents: ((sink: PeerEventSink) => PeerEvents) | undefined
}

/**
 * Closing the app closes none of the parts, and ends no stream: `buildServer` adds the hooks for that.
 * @param host a context of another application, to mount the routes in; `undefined`: they get a server of their own
 */
export async function buildApp(
  options: ServerOptions,
  parts: AppParts,
  host: FastifyInstance | undefined,
): Promise<{ app: FastifyInstance; streams: EventStreams; routesOptions: RoutesOptions }> {
  const { log, allowedHosts = [], requestLog: logsRequests = false, chaos = true, tokens, origins = [] } = options
  const { registry, changes, dispatcher, schedules, events, book, logStreams, journal, durability, trail } = parts
  const { maxBodyBytes = 10 * 1024 * 1024 } = options
  const app = host ?? createFastify(options)
  if (host !== undefined) prepareContext(host, options)
  const http = new HttpMeter()
  observeProcess()
  await app.register(requestMetrics, { meter: http })
  if (logsRequests) await app.register(requestLog, { log })
  const asksForTokens = () => tokens?.asked === true
  await app.register(audit, { record: (row) => trail.record(row), asksForTokens })
  await registerLimits(app, options, log, host === undefined ? 'ofClients' : 'ofHost')
  const credentials = tokens && new Credentials(tokens)
  // Without its hooks, which would cost each request and each answer: cookies are read only where no token is sent. The
  // application around this one may have it already.
  if (!app.hasRequestDecorator('cookies')) await app.register(cookie, { hook: false })
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
  await app.register(page)
  const checker = new PayloadChecker()
  const stats = new ServiceStats(registry)
  const streams = new EventStreams({
    log: events,
    version,
    maxStreams: options.maxStreams ?? 100,
    stats: () => stats.changed(),
    statsOfAll: (own) => stats.ofAll(own),
    statsColumns: STATS_COLUMNS,
    book,
  })
  const peerEvents = parts.followEvents?.(foreignEvents({ events, book, streams, stats }))
  events.isOfPeer = (boot) => peerEvents?.knows(boot) === true
  if (peerEvents !== undefined) app.addHook('preClose', async () => peerEvents.close())
  trail.onRow = (row) => streams.audited(row)
  const series = new SeriesRecorder(() => registry.services)
  const routesOptions: RoutesOptions = {
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
    book,
    logStreams,
    metrics: new Metrics({ version, registry, schedules, journal, http, log: book, streams, access: credentials }),
    series,
    profiles: new Profiles(join(options.data, 'profiles')),
    chaos,
    credentials,
    audits: journal,
    forwarder: parts.forwarder,
    node: parts.node,
    plane: parts.plane,
    peerEvents,
    durability,
  }
  await app.register(routes, routesOptions)
  app.addHook('onClose', () => checker.close())
  app.addHook('onClose', async () => tokens?.close())
  app.addHook('onClose', async () => series.close())
  if (host === undefined) app.addHook('onListen', async () => logAddresses(app, log))
  return { app, streams, routesOptions }
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
