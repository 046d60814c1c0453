/** What a server is built from, and what it is made of. */
import type { FastifyInstance } from 'fastify'
import type { ServiceLog } from '../contract/log.ts'
import type { SlowClientsOptions } from '../http/slow-clients.ts'
import type { Dispatcher } from '../jobs/dispatcher.ts'
import type { Registry } from '../registry/registry.ts'

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

export interface Server {
  app: FastifyInstance
  registry: Registry
  dispatcher: Dispatcher
}
