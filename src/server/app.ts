/** Fastify with its plugins and routes, over the registry and the jobs. It takes its time to load: server.ts does it aside. */
import { maxHeaderSize } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import { routes, SHARED_SCHEMAS } from '../../routes/index.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import type { Dispatcher } from '../jobs/dispatcher.ts'
import type { Journal } from '../sqlite/journal.ts'
import { Schedules } from '../jobs/schedules.ts'
import { clientLimits } from '../http/client-limits.ts'
import { jsonBody } from '../http/json-body.ts'
import { loopbackGuard } from '../http/loopback-guard.ts'
import { openapi } from '../http/openapi.ts'
import { answerMalformedRequest, problemDetails } from '../http/problem-details.ts'
import { slowClients } from '../http/slow-clients.ts'
import { DescriptionCache } from '../registry/description-cache.ts'
import type { RegistrationStore } from '../registry/registration-store.ts'
import { Registrations } from '../registry/registrations.ts'
import { ServiceChanges } from '../registry/service-changes.ts'
import { Registry } from '../registry/registry.ts'
import { schemaCompilers } from '../http/schema-compilers.ts'
import type { Server, ServerOptions } from './options.ts'
import { ServiceWorker } from '../threads/service-worker.ts'
import { stackReader } from '../diagnostics/stack-reader.ts'
import { ModulesFolder } from '../registry/modules-folder.ts'

/** Closes neither the journal nor the dispatcher where it fails. */
export async function assemble(
  options: ServerOptions,
  store: RegistrationStore,
  journal: Journal,
  dispatcher: Dispatcher,
): Promise<Server> {
  const { log, maxBodyBytes = 10 * 1024 * 1024, insecure = false, chaos = true, showStacks = false } = options
  const registry: Registry = new Registry({
    modules: new ModulesFolder(options.workers),
    registrations: await Registrations.read(store),
    descriptions: new DescriptionCache(options.data),
    dispatcher,
    log,
    onRemoved: (name) => schedules.removeAll(name),
  })
  await registry.load()
  const schedules: Schedules = new Schedules({
    store: journal,
    dispatcher,
    log,
    targetOf: (name) => registry.get(name),
  })
  await schedules.load()

  const app = Fastify({
    // A logger of Fastify's costs a child of it and two listeners a request, of which nothing is logged here.
    logger: false,
    bodyLimit: maxBodyBytes,
    schemaController: schemaCompilers(SHARED_SCHEMAS),
    // The headers within 3 s; bodies are the affair of slowClients. Node looks every 30 s if not told otherwise. It would
    // also refuse a request without Host by itself, with no problem document.
    http: { headersTimeout: 3_000, connectionsCheckingInterval: 1_000, requireHostHeader: false },
    // A name of any length is one that does not exist, or cannot be registered.
    routerOptions: { maxParamLength: maxHeaderSize },
    forceCloseConnections: 'idle',
    // A close takes as long as what runs, within THREADPLANE_SHUTDOWN_TIMEOUT; Fastify would give it up after 10 s.
    pluginTimeout: 0,
    // The registry answers for a server that closes, with a problem document.
    return503OnClosing: false,
    clientErrorHandler: answerMalformedRequest,
    frameworkErrors: (error, request, reply) => {
      app.errorHandler.call(app, error, request, reply)
    },
  }).withTypeProvider<TypeBoxTypeProvider>()

  for (const schema of SHARED_SCHEMAS) app.addSchema(schema)
  await app.register(problemDetails, { log, showStacks })
  await app.register(clientLimits, { maxConnections: options.maxConnections ?? 10_000 })
  await app.register(slowClients, { log, ...options.slowClients })
  await app.register(loopbackGuard, { anyHost: insecure })
  await app.register(jsonBody)
  app.addHook('onRequest', ({ method }, _reply, done) => {
    const refused = registry.closing && method !== 'GET' && method !== 'HEAD'
    done(
      refused
        ? new ThreadplaneError('SHUTTING_DOWN', 'the server is shutting down', { retryAfterSeconds: 5 })
        : undefined,
    )
  })
  app.addHook('onListen', async () => {
    for (const { address, family, port } of app.addresses() as AddressInfo[]) {
      log.info(`Server listening at http://${family === 'IPv6' ? `[${address}]` : address}:${port}`)
    }
  })
  await app.register(openapi, {
    services: () => registry.services.map(({ name, contract }) => ({ name, description: contract.description })),
  })
  const changes = new ServiceChanges(registry)
  await app.register(routes, { registry, changes, invoker: registry, dispatcher, schedules, chaos })
  app.addHook('preClose', async () => {
    schedules.close()
    await registry.close()
  })
  app.addHook('onClose', () => journal.close())
  app.addHook('onClose', async () => {
    if (ServiceWorker.alive.size === 0) stackReader.end()
  })
  return { app, registry, dispatcher }
}
