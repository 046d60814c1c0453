/** What a server is built from, and what the result is. */
import type { FastifyInstance } from 'fastify'
import type { EventLog } from '../events/event-log.ts'
import type { LogLevel, ServiceLog } from '../contract/log.ts'
import type { Traces } from '../contract/traces.ts'
import type { Tokens } from '../auth/tokens.ts'
import type { Cluster, NodeIdentity } from '../cluster/cluster.ts'
import type { Membership } from '../cluster/membership.ts'
import type { SlowClientTimings } from '../http/slow-clients.ts'
import type { Dispatcher } from '../jobs/dispatcher.ts'
import type { Registry } from '../registry/registry.ts'
import type { ServiceChanges } from '../registry/service-changes.ts'
import type { DeclaredSchedules } from './declared-schedules.ts'

/** The certificate of a listener and its key, in PEM. */
export interface TlsFiles {
  cert: string | Buffer
  key: string | Buffer
}

/** The database that keeps the jobs. */
export interface DatabaseOptions {
  url: string
  /** Default: `threadplane`. */
  schema?: string
  /** Default: 6. */
  connections?: number
  /** This server, as other servers of the same database know it. */
  node: NodeIdentity
  /** A server that has not shown for so long that it is alive has gone. Default: 5 s. */
  leaseMs?: number
  /** False: it hears of changes up to a second later. Only tests set this. Default: true. */
  hints?: boolean
  /** Start although accepted jobs may be lost. Default: false. */
  allowUnsafe?: boolean
}

export interface ServerOptions {
  /** The folder of service modules. */
  workers: string
  /** The folder of the journal and the registrations. */
  data: string
  /** Default: none; the journal in the data folder keeps the jobs. */
  database?: DatabaseOptions
  log: ServiceLog
  /** The lowest level that is kept for clients. Default: `info`. */
  logLevel?: LogLevel
  /** The largest request body. Default: 10 MiB. */
  maxBodyBytes?: number
  /** All bodies that are under way together. Default: 256 MiB. */
  maxBodiesBytes?: number
  /** Names to accept in `Host` besides loopback names, in lower case, with or without a port; `*`: any name. */
  allowedHosts?: string[]
  /** Who may do what. Without tokens, everybody who can reach the server may do everything. The server closes them. */
  tokens?: Tokens
  /** Origins whose pages may call, such as `https://a.example`. */
  origins?: readonly string[]
  /** May a client crash a service on purpose? Default: true. */
  chaos?: boolean
  /** Show clients the stack of an error that a method threw. Default: false. */
  showStacks?: boolean
  /** Log a line for each request. Default: false. */
  requestLog?: boolean
  /** Who records traces. Default: nobody. */
  traces?: Traces | undefined
  /** How long finished jobs are kept. Default: one day. */
  keepJobsMs?: number
  /** Default: 10,000. */
  maxConnections?: number
  /** A client can register a service while there are fewer. Default: 1,000. */
  maxServices?: number
  /** Streams of events at the same time. Default: 100. */
  maxStreams?: number
  /** How long a graceful shutdown may take: clients are told. */
  shutdownTimeoutMs?: number
  /** The other nodes. Without it the server is alone, and has no listener for nodes. */
  cluster?: Cluster
  /** Of the listener for nodes. Default: plain HTTP. */
  nodeTls?: TlsFiles
  /** Only tests set this. Default: `SLOW_CLIENT_DEFAULTS`. */
  slowClients?: Partial<SlowClientTimings>
}

export interface Server {
  app: FastifyInstance
  /** The listener for other nodes, if the server is a node of a cluster. `app.close()` closes it. */
  nodeApp: FastifyInstance | undefined
  /** It will close soon: `/readyz` fails, other nodes get its jobs, and each answer closes its connection. It still serves. */
  prepareToClose(): void
  /** This server among others, if it shares a database with them. */
  membership: Membership | undefined
  registry: Registry
  changes: ServiceChanges
  declaredSchedules: DeclaredSchedules
  dispatcher: Dispatcher
  events: EventLog
  /** Writes to the log, and keeps the lines for clients. */
  log: ServiceLog
}
