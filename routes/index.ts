/** Registers all routes, and lists the schemas that they share. */
import type { FastifyPluginAsync } from 'fastify'
import type { AuditStore } from '../src/contract/audit.ts'
import type { Traces } from '../src/contract/traces.ts'
import type { Credentials } from '../src/http/credentials.ts'
import { ErrorDetail, Problem } from '../src/http/problem-document.ts'
import type { EventLog } from '../src/events/event-log.ts'
import type { EventStreams } from '../src/events/event-streams.ts'
import type { LogStreams } from '../src/events/log-streams.ts'
import type { Forwarder } from '../src/cluster/forwarder.ts'
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
import { castRoutes } from './casts.ts'
import { eventRoutes } from './events.ts'
import { failureRoutes } from './failures.ts'
import { jobOverviewRoutes } from './job-overview.ts'
import { jobRoutes } from './jobs.ts'
import { lifecycleRoutes } from './lifecycle.ts'
import { logRoutes } from './logs.ts'
import { metricsRoutes } from './metrics.ts'
import { probeRoutes } from './probes.ts'
import { profileRoutes } from './profiles.ts'
import { scheduleRoutes } from './schedules.ts'
import { Job, JobList } from './schemas/job.ts'
import {
  LifecycleResult,
  MethodList,
  OptionsChange,
  Registration,
  ServiceList,
  ServiceStatus,
} from './schemas/service.ts'
import { sessionRoutes } from './session.ts'
import { ServiceSummaryList } from './schemas/service-summary.ts'
import { serviceRoutes } from './services.ts'
import { seriesRoutes } from './series.ts'
import { stackRoutes } from './stack.ts'

/** The schemas that routes refer to by `Type.Ref`. */
export const SHARED_SCHEMAS = [
  ErrorDetail,
  Problem,
  ServiceStatus,
  ServiceList,
  ServiceSummaryList,
  LifecycleResult,
  MethodList,
  Registration,
  OptionsChange,
  Job,
  JobList,
]

/** What events tell about. */
const WATCHED = /^\/v1\/(services|jobs)(\/|$)/

/** Where to go from `/`. */
const LINKS = { docs: '/docs', openapi: '/openapi.json', services: '/v1/services', ready: '/readyz' }

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
    streams,
    logStreams,
    series,
    profiles,
    chaos,
    credentials,
    traces,
    forwarder,
  } = options
  app.get('/', {
    config: { scope: 'read', narrows: true },
    schema: { hide: true },
    handler: async () => ({ name: 'threadplane', version, ...LINKS }),
  })
  await app.register(probeRoutes, { registry, dispatcher, durability: options.durability })
  await app.register(metricsRoutes, { metrics: options.metrics })
  app.addHook('onRequest', (request, reply, done) => {
    // A client that reads a list and then follows the events misses nothing.
    if (request.method === 'GET' && WATCHED.test(request.routeOptions.url ?? '')) {
      reply.header('event-cursor', events.cursor)
    }
    done()
  })
  await app.register(sessionRoutes, { prefix: '/v1', credentials })
  await app.register(auditRoutes, { prefix: '/v1', audits: options.audits, dispatcher })
  await app.register(eventRoutes, { prefix: '/v1', events, streams, credentials })
  await app.register(logRoutes, { prefix: '/v1', registry, dispatcher, streams: logStreams, credentials })
  await app.register(serviceRoutes, { prefix: '/v1', registry, changes })
  await app.register(stackRoutes, { prefix: '/v1', registry })
  await app.register(profileRoutes, { prefix: '/v1', registry, profiles })
  await app.register(seriesRoutes, { prefix: '/v1', registry, series })
  await app.register(lifecycleRoutes, { prefix: '/v1', registry, changes, chaos })
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
  await app.register(jobRoutes, { prefix: '/v1', registry, dispatcher })
  await app.register(bulkRoutes, { prefix: '/v1', bulk: dispatcher.bulk })
  await app.register(failureRoutes, { prefix: '/v1', overview: dispatcher.overview })
  await app.register(jobOverviewRoutes, { prefix: '/v1', registry, dispatcher })
  await app.register(scheduleRoutes, { prefix: '/v1', registry, schedules, maxBodyBytes })
}
