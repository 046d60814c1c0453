/** Builds a server from its parts: journal, dispatcher, registry, schedules, and Fastify in front of them. It does not listen. */
import type { FastifyInstance } from 'fastify'
import { AuditTrail } from '../auth/audit-trail.ts'
import { bootOf } from '../contract/cursor.ts'
import { stackReader } from '../diagnostics/stack-reader.ts'
import { LogBook } from '../events/log-book.ts'
import { LogStreams } from '../events/log-streams.ts'
import { EventLog } from '../events/event-log.ts'
import { Dispatcher } from '../jobs/dispatcher.ts'
import { Schedules } from '../jobs/schedules.ts'
import { DescriptionCache } from '../registry/description-cache.ts'
import { ModulesFolder } from '../registry/modules-folder.ts'
import { Reconciliation } from '../registry/reconciliation.ts'
import { Registrations } from '../registry/registrations.ts'
import { Registry } from '../registry/registry.ts'
import { restoreServices } from '../registry/restore-services.ts'
import { ServiceChanges } from '../registry/service-changes.ts'
import { Meters } from '../telemetry/meters.ts'
import { ServiceWorker } from '../threads/service-worker.ts'
import { DeclaredSchedules, readDeclaredServices } from './declared-schedules.ts'
import { openStore } from './open-store.ts'
import type { Server, ServerOptions } from './options.ts'
import { reachNodes } from './reach-nodes.ts'

const DAY_MS = 24 * 60 * 60 * 1_000

/**
 * No service runs yet: `registry.startAll()` starts them. `app.close()` stops all services and closes the journal.
 * @throws Error if the workers folder, its `threadplane.json` or the data folder cannot be used; then nothing is left open
 */
export async function buildServer(options: ServerOptions): Promise<Server> {
  return buildIn(undefined, options)
}

/**
 * As `buildServer`, and mounts the routes in another application.
 * @param host a context of that application; `undefined`: they get a server of their own
 */
export async function buildIn(host: FastifyInstance | undefined, options: ServerOptions): Promise<Server> {
  const { workers, data, database, keepJobsMs = DAY_MS, maxServices = 1_000 } = options
  const name = database?.node.name
  const declared = await readDeclaredServices(workers)
  const events = new EventLog(database && { name: database.node.name, boot: bootOf(database.node.id) })
  const book = new LogBook(events.boot, options.logLevel ?? 'info', name)
  const log = book.over(options.log)
  // To load Fastify and its plugins takes the longest. Meanwhile the store opens its database.
  const opening = openStore({ folder: data, database, log, keepJobsMs })
  const [opened, { buildApp }] = await Promise.all([opening, import('./app.ts')])
  const { store: journal, durability, shared } = opened
  const dispatcher = new Dispatcher(journal, log, {
    events,
    logOf: (...attempt) => book.lastLinesOf(...attempt),
    traces: options.traces,
    others: shared?.node,
  })
  try {
    const registry: Registry = new Registry({
      modules: new ModulesFolder(workers, declared),
      registrations: await Registrations.read(opened.registrations),
      descriptions: new DescriptionCache(data),
      dispatcher,
      log,
      events,
      meters: new Meters(),
      traces: options.traces,
      maxServices,
      runsHere: (name, { placement }) => shared?.membership.runsHere(name, placement) ?? true,
      onRemoved: (name) => {
        logStreams.end('removed', name)
        book.forget(name)
      },
      onDeleted: (name) => schedules.removeAll(name),
    })
    await restoreServices(registry)
    book.levelOf = (name) => registry.find(name)?.options.logLevel
    const schedules: Schedules = new Schedules({
      store: journal,
      dispatcher,
      log,
      events,
      targetOf: (name) => registry.find(name),
      others: shared?.node,
    })
    schedules.load()
    const declaredSchedules = new DeclaredSchedules({ registry, schedules, log })
    declaredSchedules.follow(declared)
    const changes = new ServiceChanges(registry)
    if (shared !== undefined) {
      const reconciliation = new Reconciliation(registry, changes)
      shared.node.follow({
        notices: dispatcher.notices,
        services: () => registry.services,
        onState: (listener) => registry.on('state', listener),
        readSchedules: () => schedules.readAgain(),
        placementChanged: () => reconciliation.placementChanged(),
        follow: (name) => reconciliation.follow(name),
        isBack: () => reconciliation.all(),
      })
    }

    const logStreams: LogStreams = new LogStreams(book)
    const trail = new AuditTrail(journal, log)
    const { cluster = shared?.membership } = options
    const { connections, forwarder, plane, followEvents } = await reachNodes(cluster, shared, registry)
    const parts = {
      registry,
      changes,
      dispatcher,
      schedules,
      events,
      book,
      logStreams,
      journal,
      durability,
      trail,
      forwarder,
      plane,
      followEvents,
      node: shared?.node,
    }
    const { app, streams, routesOptions } = await buildApp({ ...options, log }, parts, host)
    const nodeApp =
      cluster &&
      (await (
        await import('./node-app.ts')
      ).buildNodeApp({ ...options, log }, { token: cluster.self.token, trail, routesOptions }))
    app.addHook('preClose', async () => {
      schedules.close()
      shared?.node.startLeaving()
      events.emit({ type: 'server.closing', graceMs: options.shutdownTimeoutMs ?? null })
      app.clients.startClosing()
      await registry.close()
      streams.close()
      logStreams.close()
      // Until here the node listener has told other nodes that this one takes no more calls.
      await Promise.all([nodeApp?.close(), app.clients.finishClosing()])
    })
    app.addHook('onClose', async () => connections?.close())
    app.addHook('onClose', async () => {
      trail.close()
      await shared?.node.close()
      await journal.close()
    })
    app.addHook('onClose', async () => {
      if (ServiceWorker.alive.size === 0) stackReader.end()
    })
    return {
      app,
      nodeApp,
      prepareToClose: () => {
        registry.leaving = true
        app.clients.startLeaving()
        shared?.node.drain()
      },
      membership: shared?.membership,
      registry,
      changes,
      declaredSchedules,
      dispatcher,
      events,
      log,
    }
  } catch (error) {
    dispatcher.close()
    await shared?.node.close()
    await journal.close()
    throw error
  }
}
