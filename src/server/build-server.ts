/** Builds a server from its parts: journal, dispatcher, registry, schedules, and Fastify in front of them. It does not listen. */
import { stackReader } from '../diagnostics/stack-reader.ts'
import { Dispatcher } from '../jobs/dispatcher.ts'
import { Schedules } from '../jobs/schedules.ts'
import { DescriptionCache } from '../registry/description-cache.ts'
import { ModulesFolder } from '../registry/modules-folder.ts'
import { RegistrationFile } from '../registry/registration-file.ts'
import { Registrations } from '../registry/registrations.ts'
import { Registry } from '../registry/registry.ts'
import { restoreServices } from '../registry/restore-services.ts'
import { Journal } from '../sqlite/journal.ts'
import { Meters } from '../telemetry/meters.ts'
import { ServiceWorker } from '../threads/service-worker.ts'
import type { Server, ServerOptions } from './options.ts'

const DAY_MS = 24 * 60 * 60 * 1_000

/**
 * No service runs yet: `registry.startAll()` starts them. `app.close()` stops all services and closes the journal.
 * @throws Error if the workers folder or the data folder cannot be used; then nothing is left open
 */
export async function buildServer(options: ServerOptions): Promise<Server> {
  const { workers, data, log, keepJobsMs = DAY_MS, maxServices = 1_000 } = options
  const registrationFile = await RegistrationFile.open(data)
  // To load Fastify and its plugins takes the longest. Meanwhile the process of the journal opens the database.
  const opening = Journal.open({ folder: data, log, keepJobsMs })
  const [journal, { buildApp }] = await Promise.all([opening, import('./app.ts')])
  const dispatcher = new Dispatcher(journal, log)
  try {
    const registry: Registry = new Registry({
      modules: new ModulesFolder(workers),
      registrations: await Registrations.read(registrationFile),
      descriptions: new DescriptionCache(data),
      dispatcher,
      log,
      meters: new Meters(),
      maxServices,
      onRemoved: (name) => schedules.removeAll(name),
    })
    await restoreServices(registry)
    const schedules: Schedules = new Schedules({
      store: journal,
      dispatcher,
      log,
      targetOf: (name) => registry.find(name),
    })
    schedules.load()

    const app = await buildApp(options, { registry, dispatcher, schedules, journal })
    app.addHook('preClose', async () => {
      schedules.close()
      app.clients.startClosing()
      await registry.close()
      await app.clients.finishClosing()
    })
    app.addHook('onClose', () => journal.close())
    app.addHook('onClose', async () => {
      if (ServiceWorker.alive.size === 0) stackReader.end()
    })
    return { app, registry, dispatcher }
  } catch (error) {
    dispatcher.close()
    await journal.close()
    throw error
  }
}
