/** The settings: one table of environment variables, their defaults and the values that they accept. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import bytes from 'bytes-iec'
import ms from 'ms'
import { z } from 'zod'
import { LOG_LEVELS } from './contract/log.ts'

const A_DURATION = 'a duration from 1ms to 24h, such as 500ms or 9s'
const A_RETENTION = 'a duration from 1ms to 365d, such as 24h or 7d'
const A_SIZE = 'a size from 1B to 256MiB, such as 512KiB or 10MiB'
const A_COUNT = 'a whole number from 1 to 1000000'
const A_PORT = 'a port from 0 to 65535'

const duration = durationTo('24h', A_DURATION)
const retention = durationTo('365d', A_RETENTION)
const size = z
  .string()
  .regex(/^\d+(\.\d+)?([KMG]i?B|B)$/, A_SIZE)
  .transform((text) => bytes.parse(text) as number)
  .pipe(
    z
      .int(A_SIZE)
      .min(1, A_SIZE)
      .max(256 * 1024 * 1024, A_SIZE),
  )
const count = z
  .string()
  .regex(/^\d{1,7}$/, A_COUNT)
  .transform(Number)
  .pipe(z.int().min(1, A_COUNT).max(1_000_000, A_COUNT))
const flag = z.enum(['true', 'false'], 'true or false').transform((text) => text === 'true')
const port = z
  .string()
  .regex(/^\d{1,5}$/, A_PORT)
  .transform(Number)
  .pipe(z.int().max(65_535, A_PORT))

/** A name or an address, with or without a port; `*`: any. */
const HOST = /^(\*|([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[\da-f:.]+\])(:\d{1,5})?)$/
const hosts = z
  .string()
  .transform((text) =>
    text.trim() === ''
      ? []
      : text
          .toLowerCase()
          .split(',')
          .map((host) => host.trim()),
  )
  .pipe(
    z.array(
      z.string().regex(HOST, 'names with or without a port, separated by commas, such as a.example,b.example:8080'),
    ),
  )

const ORIGIN = /^https?:\/\/([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[\da-f:.]+\])(:\d{1,5})?$/
const origins = z
  .string()
  .transform((text) => (text.trim() === '' ? [] : text.split(',').map((origin) => origin.trim())))
  .pipe(
    z.array(z.string().regex(ORIGIN, 'origins as browsers send them, separated by commas, such as https://a.example')),
  )

/** Environment variable → its default, the values that it accepts, and its meaning. A test compares the README's table. */
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
    meaning: 'record traces with OpenTelemetry, whose SDK you load: see [Traces](docs/operate.md#traces)',
  },
} as const

function durationTo(most: ms.StringValue, expected: string) {
  return z
    .string()
    .regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, expected)
    .transform((text) => ms(text as ms.StringValue))
    .pipe(z.number().min(1, expected).max(ms(most), expected))
}

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
  logLevel: (typeof LOG_LEVELS)[number] | 'silent'
  maxBodyBytes: number
  maxConnections: number
  maxServices: number
  maxBodiesBytes: number
  maxStreams: number
  shutdownTimeoutMs: number
  supervise: boolean
  chaos: boolean
  keepJobsMs: number
  showStacks: boolean
  requestLog: boolean
  traces: boolean
}

const LOOPBACK_HOSTS = /^(localhost|127(\.\d{1,3}){3}|::1)$/i
/** Settings whose values no message shows. */
const SECRETS: ReadonlySet<string> = new Set(['THREADPLANE_ADMIN_TOKEN'])

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
    logLevel: read('THREADPLANE_LOG_LEVEL'),
    maxBodyBytes: read('THREADPLANE_MAX_BODY'),
    maxConnections: read('THREADPLANE_MAX_CONNECTIONS'),
    maxServices: read('THREADPLANE_MAX_SERVICES'),
    maxBodiesBytes: read('THREADPLANE_MAX_BODIES'),
    maxStreams: read('THREADPLANE_MAX_STREAMS'),
    shutdownTimeoutMs: read('THREADPLANE_SHUTDOWN_TIMEOUT'),
    supervise: read('THREADPLANE_SUPERVISE'),
    chaos: read('THREADPLANE_CHAOS'),
    keepJobsMs: read('THREADPLANE_KEEP_JOBS'),
    showStacks: read('THREADPLANE_SHOW_STACKS'),
    requestLog: read('THREADPLANE_REQUEST_LOG'),
    traces: read('THREADPLANE_TRACES'),
  }
  for (const name of Object.keys(environment)) {
    if (name.startsWith('THREADPLANE_') && !Object.hasOwn(SETTINGS, name)) {
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

/** The version of the package. */
export function packageVersion(): string {
  const url = new URL(import.meta.resolve('threadplane/package.json'))
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
}
