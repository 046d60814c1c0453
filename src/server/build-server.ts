/** Builds the server: the journal, the jobs, the registry, and Fastify in front of them. It never listens. */
import type { FastifyInstance } from 'fastify'
import { Dispatcher } from '../jobs/dispatcher.ts'
import { Journal } from '../sqlite/journal.ts'
import type { SlowClientsOptions } from '../http/slow-clients.ts'
import { Registrations } from '../registry/registration-file.ts'
import type { Registry } from '../registry/registry.ts'
import type { ServiceLog } from '../supervision/service.ts'

export interface ServerOptions {
  /** Folder of service modules. */
  workers: string
  /** Folder of what must survive a restart. */
  data: string
  log: ServiceLog
  maxBodyBytes?: number
  /** Any name in `Host`: the operator has said that anybody may reach it. */
  insecure?: boolean
  /** May a client crash a service on purpose? Default: yes. */
  chaos?: boolean
  showStacks?: boolean
  /** How long finished jobs are kept. Default: a day. */
  keepJobsMs?: number
  /** Default: 10,000. */
  maxConnections?: number
  slowClients?: Omit<SlowClientsOptions, 'log'>
}

const DAY_MS = 24 * 60 * 60 * 1_000

export interface Server {
  app: FastifyInstance
  registry: Registry
  dispatcher: Dispatcher
}

/** Closing `app` stops every service. Services start with `registry.startAll()`. */
export async function buildServer(options: ServerOptions): Promise<Server> {
  const { data, log, keepJobsMs = DAY_MS } = options
  const registrations = await Registrations.open(data)
  // Its thread starts while this one loads what takes the longest.
  const opening = Journal.open({ folder: data, log, keepJobsMs })
  const [journal, { assemble }] = await Promise.all([opening, import('./app.ts')])
  const dispatcher = new Dispatcher(journal, log)
  try {
    return await assemble(options, registrations, journal, dispatcher)
  } catch (error) {
    dispatcher.close()
    await journal.close()
    throw error
  }
}
