/** Registers all routes, and lists the schemas that they share. */
import type { FastifyPluginAsync } from 'fastify'
import { hostname } from 'node:os'
import type { AuditStore } from '../src/contract/audit.ts'
import type { Traces } from '../src/contract/traces.ts'
import type { Credentials } from '../src/http/credentials.ts'
import { ErrorCodeSchema, ErrorDetail, Problem } from '../src/http/problem-document.ts'
import type { EventLog } from '../src/events/event-log.ts'
import type { EventStreams } from '../src/events/event-streams.ts'
import type { LogBook } from '../src/events/log-book.ts'
import type { LogStreams } from '../src/events/log-streams.ts'
import type { ClusterNode } from '../src/cluster/cluster-node.ts'
import type { Forwarder } from '../src/cluster/forwarder.ts'
import type { PeerEvents } from '../src/cluster/peer-events.ts'
import type { Plane } from '../src/cluster/plane.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import type { PayloadChecker } from '../src/payload/payload-checker.ts'
import type { Schedules } from '../src/jobs/schedules.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { SeriesRecorder } from '../src/registry/series.ts'
import type { ServiceChanges } from '../src/registry/service-changes.ts'
import type { Metrics } from '../src/scrape/metrics.ts'
import type { Profiles } from '../src/services/profiles.ts'
import type { Invoker } from '../src/services/call-invoker.ts'
import { auditRoutes } from './audit.ts'
import { bulkRoutes } from './bulk.ts'
import { callRoutes } from './calls.ts'
import { BatchAnswer, castRoutes } from './casts.ts'
import { eventRoutes } from './events.ts'
import { failureRoutes } from './failures.ts'
import { followRoutes } from './follow.ts'
import { jobOverviewRoutes } from './job-overview.ts'
import { jobRoutes } from './jobs.ts'
import { lifecycleRoutes } from './lifecycle.ts'
import { logRoutes } from './logs.ts'
import { metricsRoutes } from './metrics.ts'
import { nodeRoutes } from './nodes.ts'
import { Health, probeRoutes } from './probes.ts'
import { profileRoutes } from './profiles.ts'
import { scheduleRoutes } from './schedules.ts'
import { Job, JobErrorView, JobList } from './schemas/job.ts'
import { Me } from './schemas/me.ts'
import { ScheduleView } from './schemas/schedule.ts'
import {
  LifecycleResult,
  Limits,
  MethodList,
  Options,
  OptionsChange,
  Registration,
  Restart,
  ServiceList,
  ServiceStatus,
} from './schemas/service.ts'
import { sessionRoutes } from './session.ts'
import { ServiceSummaryList } from './schemas/service-summary.ts'
import { NodeLogs } from './shared/node-logs.ts'
import { OtherNodes } from './shared/other-nodes.ts'
import { ServiceViews } from './shared/service-views.ts'
import { serviceRoutes } from './services.ts'
import { seriesRoutes } from './series.ts'
import { stackRoutes } from './stack.ts'

/**
 * The schemas that routes refer to by `Type.Ref`. No route adds one itself: in an application of somebody else, Fastify
 * would then compile the schemas of that route with its own compilers.
 */
export const SHARED_SCHEMAS = [
  ErrorCodeSchema,
  ErrorDetail,
  Problem,
  Limits,
  Restart,
  Options,
  ServiceStatus,
  ServiceList,
  ServiceSummaryList,
  LifecycleResult,
  MethodList,
  Registration,
  OptionsChange,
  JobErrorView,
  Job,
  JobList,
  BatchAnswer,
  ScheduleView,
  Me,
  Health,
]

/** What events tell about, below the prefix of the routes. */
const WATCHED = /^\/v1\/(services|jobs)(\/|$)/

export interface RoutesOptions {
  /** The version of threadplane. */
  version: string
  registry: Registry
  /** Registers, replaces and deletes services. */
  changes: ServiceChanges
  /** Runs the calls. */
  invoker: Invoker
  dispatcher: Dispatcher
  /** The largest payload of a call or cast, in bytes. */
  maxBodyBytes: number
  /** Checks large payloads. */
  checker: PayloadChecker
  schedules: Schedules
  events: EventLog
  streams: EventStreams
  book: LogBook
  logStreams: LogStreams
  metrics: Metrics
  series: SeriesRecorder
  profiles: Profiles
  /** May a client crash a service on purpose? */
  chaos: boolean
  /** Who is who; `undefined`: there are no tokens, and never will be. */
  credentials: Credentials | undefined
  audits: AuditStore
  /** `undefined`: nobody records them. */
  traces: Traces | undefined
  /** Sends calls to other nodes; `undefined`: every call runs here. */
  forwarder: Forwarder | undefined
  /** This server among the nodes of a cluster. */
  node: ClusterNode | undefined
  /** The other nodes; `undefined`: the server is alone, or another node asks it. */
  plane: Plane | undefined
  /** Their events. */
  peerEvents: PeerEvents | undefined
  /** What an accepted job survives, if the store knows that. */
  durability: string | undefined
}

export const routes: FastifyPluginAsync<RoutesOptions> = async (app, options) => {
  const {
    version,
    registry,
    changes,
    invoker,
    dispatcher,
    maxBodyBytes,
    checker,
    schedules,
    events,
    series,
    profiles,
    chaos,
    credentials,
    traces,
    forwarder,
    node,
    plane,
  } = options
  await app.register(probeRoutes, { registry, dispatcher, durability: options.durability, node })
  await app.register(metricsRoutes, { metrics: options.metrics })
  app.addHook('onRequest', (request, reply, done) => {
    // A client that reads a list and then follows the events misses nothing.
    if (request.method === 'GET' && WATCHED.test(request.routeOptions.url?.slice(app.prefix.length) ?? '')) {
      reply.header('event-cursor', events.cursor)
    }
    done()
  })
  await app.register(sessionRoutes, { prefix: '/v1', credentials })
  await app.register(auditRoutes, { prefix: '/v1', audits: options.audits, dispatcher })
  const views = new ServiceViews(plane)
  const others = new OtherNodes(plane)
  const isForNodes = node !== undefined && plane === undefined
  await app.register(streamRoutes, options)
  await app.register(serviceRoutes, { prefix: '/v1', registry, changes, views, others })
  if (isForNodes) await app.register(followRoutes, { prefix: '/v1', node })
  const alone = { id: events.boot, name: hostname() }
  await app.register(nodeRoutes, { prefix: '/v1', version, registry, node, plane, alone })
  await app.register(stackRoutes, { prefix: '/v1', registry, plane })
  await app.register(profileRoutes, { prefix: '/v1', registry, profiles, plane })
  await app.register(seriesRoutes, { prefix: '/v1', registry, series })
  await app.register(lifecycleRoutes, { prefix: '/v1', registry, changes, chaos, views, others, isForNodes })
  await app.register(callRoutes, {
    prefix: '/v1',
    registry,
    invoker,
    dispatcher,
    maxBodyBytes,
    checker,
    traces,
    forwarder,
  })
  await app.register(castRoutes, { prefix: '/v1', registry, dispatcher, maxBodyBytes, checker })
  await app.register(jobRoutes, { prefix: '/v1', registry, dispatcher, plane })
  await app.register(bulkRoutes, { prefix: '/v1', bulk: dispatcher.bulk })
  await app.register(failureRoutes, { prefix: '/v1', overview: dispatcher.overview })
  await app.register(jobOverviewRoutes, { prefix: '/v1', registry, dispatcher })
  await app.register(scheduleRoutes, { prefix: '/v1', registry, schedules, maxBodyBytes })
}

/** The streams of events and of the log, which a client can go on with on another node. */
export const streamRoutes: FastifyPluginAsync<RoutesOptions> = async (app, options) => {
  const { registry, events, streams, credentials, dispatcher, book, logStreams, node, plane, peerEvents } = options
  const peers = { plane, peerEvents, isForNodes: node !== undefined && plane === undefined }
  const views = new ServiceViews(plane)
  await app.register(eventRoutes, { prefix: '/v1', registry, events, streams, credentials, views, ...peers })
  const logs = new NodeLogs(book, peers)
  await app.register(logRoutes, { prefix: '/v1', registry, dispatcher, logs, streams: logStreams, credentials })
}
