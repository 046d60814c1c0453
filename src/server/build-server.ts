/** Builds the server: the journal, the jobs, the registry, and Fastify in front of them. It never listens. */
import type { Server, ServerOptions } from './options.ts'
import { Dispatcher } from '../jobs/dispatcher.ts'
import { Journal } from '../sqlite/journal.ts'
import { RegistrationFile } from '../registry/registration-file.ts'

const DAY_MS = 24 * 60 * 60 * 1_000

/** Closing `app` stops every service. Services start with `registry.startAll()`. */
export async function buildServer(options: ServerOptions): Promise<Server> {
  const { data, log, keepJobsMs = DAY_MS } = options
  const store = await RegistrationFile.open(data)
  // Its thread starts while this one loads what takes the longest.
  const opening = Journal.open({ folder: data, log, keepJobsMs })
  const [journal, { assemble }] = await Promise.all([opening, import('./app.ts')])
  const dispatcher = new Dispatcher(journal, log)
  try {
    return await assemble(options, store, journal, dispatcher)
  } catch (error) {
    dispatcher.close()
    await journal.close()
    throw error
  }
}
