/**
 * The settings: one table of environment variables, their defaults and the values that they accept. It is one file, so
 * that all places of a setting are together.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { LOG_LEVELS } from './contract/log.ts'
import {
  connections,
  count,
  databaseSchema,
  databaseUrl,
  delay,
  duration,
  flag,
  hosts,
  labels,
  lease,
  nodeUrl,
  origins,
  port,
  portToTell,
  retention,
  size,
} from './contract/setting-values.ts'

/** Environment variable → its default, the values that it accepts, and its meaning. A test compares docs/settings.md. */
export const SETTINGS = {
  THREADPLANE_HOST: {
    default: '127.0.0.1',
    accepts: z.string().min(1, 'an address'),
    meaning: 'the address to listen on',
  },
  THREADPLANE_PORT: {
    default: '8080',
    accepts: port,
    meaning: 'the port to listen on; 0: a free port, which the log shows',
  },
  THREADPLANE_INSECURE: {
    default: 'false',
    accepts: flag,
    meaning:
      'allow an address other than loopback without tokens: anybody who can reach it can do anything with the server',
  },
  THREADPLANE_TOKENS: {
    default: '',
    accepts: z.string(),
    meaning: 'the file of tokens; empty: `tokens.json` in the data folder',
  },
  THREADPLANE_ADMIN_TOKEN: {
    default: '',
    accepts: z.string().regex(/^([\x21-\x7e]{20,200})?$/, '20 to 200 printable ASCII characters, without blanks'),
    meaning: 'a token for everything; empty: none',
  },
  THREADPLANE_ADMIN_TOKEN_FILE: {
    default: '',
    accepts: z.string(),
    meaning:
      'a file that contains such a token; a file that does not exist is made, with a new token; `THREADPLANE_ADMIN_TOKEN` goes before it',
  },
  THREADPLANE_ALLOWED_HOSTS: {
    default: '',
    accepts: hosts,
    meaning:
      'names that clients may use for the server in `Host`, with or without a port, separated by commas; loopback names and the address that it listens on are always allowed; `*`: any name, only behind a proxy that checks `Host`',
  },
  THREADPLANE_ORIGINS: {
    default: '',
    accepts: origins,
    meaning: 'origins whose web pages may send requests, such as `https://a.example`, separated by commas (CORS)',
  },
  THREADPLANE_WORKERS: {
    default: '',
    accepts: z.string(),
    meaning: 'the folder of service modules; empty: the bundled modules',
  },
  THREADPLANE_DATA: {
    default: '.threadplane',
    accepts: z.string().min(1, 'a folder'),
    meaning: 'the folder of the journal and the registrations; one server at a time uses it',
  },
  THREADPLANE_DATABASE_URL: {
    default: '',
    accepts: databaseUrl,
    meaning:
      'the PostgreSQL database that keeps jobs and schedules, such as `postgres://user:password@db.example/plane`; empty: the journal in the data folder',
  },
  THREADPLANE_DATABASE_SCHEMA: {
    default: 'threadplane',
    accepts: databaseSchema,
    meaning: 'the schema of the tables in that database; it is made if there is none',
  },
  THREADPLANE_DATABASE_CONNECTIONS: {
    default: '6',
    accepts: connections,
    meaning: 'connections to that database for statements; the server has one more, which checks that it answers',
  },
  THREADPLANE_UNSAFE_DATABASE: {
    default: 'false',
    accepts: flag,
    meaning: 'start also with a database that may lose accepted jobs in a crash, as its `fsync` is off',
  },
  THREADPLANE_LOG_LEVEL: {
    default: 'info',
    accepts: z.enum([...LOG_LEVELS, 'silent'], `one of ${[...LOG_LEVELS, 'silent'].join(', ')}`),
    meaning: 'the lowest level that is logged; readable text on a terminal, JSON lines elsewhere',
  },
  THREADPLANE_MAX_BODY: { default: '10MiB', accepts: size, meaning: 'the largest payload of a call or a cast' },
  THREADPLANE_MAX_BODIES: {
    default: '256MiB',
    accepts: size,
    meaning: 'all bodies that are under way together; another one is answered 503',
  },
  THREADPLANE_MAX_CONNECTIONS: {
    default: '10000',
    accepts: count,
    meaning: 'connections at the same time; another connection is answered 503 and closed',
  },
  THREADPLANE_MAX_SERVICES: {
    default: '1000',
    accepts: count,
    meaning: 'services that clients can register, with those of the folder; another one is answered 409',
  },
  THREADPLANE_MAX_STREAMS: {
    default: '100',
    accepts: count,
    meaning: 'streams of events at the same time; another one is answered 503',
  },
  THREADPLANE_SHUTDOWN_TIMEOUT: {
    default: '9s',
    accepts: duration,
    meaning: 'the time for a graceful shutdown; methods that still run after it are ended',
  },
  THREADPLANE_CLOSE_DELAY: {
    default: '0s',
    accepts: delay,
    meaning:
      'how long, after the signal to close and before the shutdown, `/readyz` answers 503 and requests are served: the time in which a proxy finds out and sends no more',
  },
  THREADPLANE_SUPERVISE: {
    default: 'true',
    accepts: flag,
    meaning: 'run the server under a small process that starts it again after a crash',
  },
  THREADPLANE_CHAOS: {
    default: 'true',
    accepts: flag,
    meaning: 'let clients crash a service on purpose',
  },
  THREADPLANE_KEEP_JOBS: { default: '24h', accepts: retention, meaning: 'how long finished jobs are kept' },
  THREADPLANE_SHOW_STACKS: {
    default: 'false',
    accepts: flag,
    meaning: 'show clients the stack of an error that a method threw',
  },
  THREADPLANE_REQUEST_LOG: {
    default: 'false',
    accepts: flag,
    meaning: 'log a line for each request, at level `info`',
  },
  THREADPLANE_TRACES: {
    default: 'false',
    accepts: flag,
    meaning: 'record traces with OpenTelemetry, whose SDK you load',
  },
  THREADPLANE_NODE_NAME: {
    default: '',
    accepts: z.string().regex(/^([\w][\w.-]{0,62})?$/, 'letters, digits, `.`, `_` and `-`, at most 63'),
    meaning: 'in a cluster, the name of this node; empty: the name of the host',
  },
  THREADPLANE_NODE_PORT: {
    default: '8081',
    accepts: portToTell,
    meaning:
      'in a cluster, the port on which other nodes reach this one; it listens on the address of `THREADPLANE_HOST`',
  },
  THREADPLANE_NODE_URL: {
    default: '',
    accepts: nodeUrl,
    meaning:
      'in a cluster, where other nodes reach that port, such as `https://a.example:8081`; empty: `THREADPLANE_HOST`, or the name of the host where that is any address',
  },
  THREADPLANE_NODE_LABELS: {
    default: '',
    accepts: labels,
    meaning:
      'in a cluster, labels of this node for the option `placement` of services, such as `disk=ssd,zone=a`; separated by commas',
  },
  THREADPLANE_LEASE: {
    default: '5s',
    accepts: lease,
    meaning:
      'in a cluster, the time after which a node that does not show that it is alive has gone: its jobs run on other nodes; the same on all nodes',
  },
  THREADPLANE_NODE_CERT: {
    default: '',
    accepts: z.string(),
    meaning: 'the file of the certificate with which that port speaks TLS, in PEM; empty: plain HTTP',
  },
  THREADPLANE_NODE_KEY: {
    default: '',
    accepts: z.string(),
    meaning: 'the file of the key of that certificate, in PEM',
  },
} as const

export interface Config {
  host: string
  port: number
  insecure: boolean
  /** The file of tokens. */
  tokens: string
  /** The text of the administrator's token; empty: none. */
  adminToken: string
  /** The file that has it; empty: none. */
  adminTokenFile: string
  /** In lower case. */
  allowedHosts: string[]
  origins: string[]
  workers: string
  data: string
  /** Empty: none. */
  databaseUrl: string
  databaseSchema: string
  databaseConnections: number
  unsafeDatabase: boolean
  logLevel: (typeof LOG_LEVELS)[number] | 'silent'
  maxBodyBytes: number
  maxConnections: number
  maxServices: number
  maxBodiesBytes: number
  maxStreams: number
  shutdownTimeoutMs: number
  closeDelayMs: number
  supervise: boolean
  chaos: boolean
  keepJobsMs: number
  showStacks: boolean
  requestLog: boolean
  traces: boolean
  /** Empty: the name of the host. */
  nodeName: string
  nodePort: number
  /** Empty: made of the host and the port. */
  nodeUrl: string
  nodeLabels: Record<string, string>
  leaseMs: number
  /** The file of the certificate; empty: plain HTTP. */
  nodeCert: string
  nodeKey: string
}

const LOOPBACK_HOSTS = /^(localhost|127(\.\d{1,3}){3}|::1)$/i
/** Settings of clients. A server may have them in its environment, and has no use for them. */
const OF_CLIENTS: ReadonlySet<string> = new Set(['THREADPLANE_URL', 'THREADPLANE_TOKEN', 'THREADPLANE_CONTEXT'])
/** Settings whose values no message shows. */
const SECRETS: ReadonlySet<string> = new Set(['THREADPLANE_ADMIN_TOKEN', 'THREADPLANE_DATABASE_URL'])

/** @throws Error that names every wrong setting, its value, and the values that it accepts */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const wrong: string[] = []
  const read = <Name extends keyof typeof SETTINGS>(name: Name) => {
    const { default: fallback, accepts } = SETTINGS[name]
    const text = environment[name] ?? fallback
    const result = accepts.safeParse(text)
    const shown = SECRETS.has(name) ? 'not valid' : JSON.stringify(text)
    if (!result.success) wrong.push(`${name} is ${shown}: it must be ${result.error.issues[0]?.message}`)
    return result.data as z.output<(typeof SETTINGS)[Name]['accepts']>
  }
  const config: Config = {
    host: read('THREADPLANE_HOST'),
    port: read('THREADPLANE_PORT'),
    insecure: read('THREADPLANE_INSECURE'),
    tokens:
      read('THREADPLANE_TOKENS') ||
      join(environment.THREADPLANE_DATA ?? SETTINGS.THREADPLANE_DATA.default, 'tokens.json'),
    adminToken: read('THREADPLANE_ADMIN_TOKEN'),
    adminTokenFile: read('THREADPLANE_ADMIN_TOKEN_FILE'),
    allowedHosts: read('THREADPLANE_ALLOWED_HOSTS'),
    origins: read('THREADPLANE_ORIGINS'),
    workers: read('THREADPLANE_WORKERS'),
    data: read('THREADPLANE_DATA'),
    databaseUrl: read('THREADPLANE_DATABASE_URL'),
    databaseSchema: read('THREADPLANE_DATABASE_SCHEMA'),
    databaseConnections: read('THREADPLANE_DATABASE_CONNECTIONS'),
    unsafeDatabase: read('THREADPLANE_UNSAFE_DATABASE'),
    logLevel: read('THREADPLANE_LOG_LEVEL'),
    maxBodyBytes: read('THREADPLANE_MAX_BODY'),
    maxConnections: read('THREADPLANE_MAX_CONNECTIONS'),
    maxServices: read('THREADPLANE_MAX_SERVICES'),
    maxBodiesBytes: read('THREADPLANE_MAX_BODIES'),
    maxStreams: read('THREADPLANE_MAX_STREAMS'),
    shutdownTimeoutMs: read('THREADPLANE_SHUTDOWN_TIMEOUT'),
    closeDelayMs: read('THREADPLANE_CLOSE_DELAY'),
    supervise: read('THREADPLANE_SUPERVISE'),
    chaos: read('THREADPLANE_CHAOS'),
    keepJobsMs: read('THREADPLANE_KEEP_JOBS'),
    showStacks: read('THREADPLANE_SHOW_STACKS'),
    requestLog: read('THREADPLANE_REQUEST_LOG'),
    traces: read('THREADPLANE_TRACES'),
    nodeName: read('THREADPLANE_NODE_NAME'),
    nodePort: read('THREADPLANE_NODE_PORT'),
    nodeUrl: read('THREADPLANE_NODE_URL'),
    nodeLabels: read('THREADPLANE_NODE_LABELS'),
    leaseMs: read('THREADPLANE_LEASE'),
    nodeCert: read('THREADPLANE_NODE_CERT'),
    nodeKey: read('THREADPLANE_NODE_KEY'),
  }
  for (const name of Object.keys(environment)) {
    if (name.startsWith('THREADPLANE_') && !Object.hasOwn(SETTINGS, name) && !OF_CLIENTS.has(name)) {
      wrong.push(`${name} is not a setting; the settings are: ${Object.keys(SETTINGS).join(', ')}`)
    }
  }
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
  return config
}

/** Is the address one that other machines cannot reach? */
export function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.test(host)
}
