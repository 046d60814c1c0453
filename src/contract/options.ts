/**
 * The options of a service and of a method: a zod schema and the defaults of each.
 *
 * A module gives options to `defineService` and `method`; `PUT` and `PATCH /v1/services/{service}` override those of
 * the service. The JSON Schema of the options in the OpenAPI document is generated from here.
 */
import { LOG_LEVELS, type LogLevel } from './log.ts'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'

const MAX_TIMER_MS = 2 ** 31 - 1

const durationMs = z.int().min(1).max(MAX_TIMER_MS)
const delayMs = z.int().min(0).max(MAX_TIMER_MS)
const mebibytes = z.number().min(1).max(65_536)

/** The name of a service, method or schedule. Any other name is answered with 404 in a path, and 422 in `PUT`. */
export const NAME_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/

/** Where the threads of a service run: all in the server's process, or each in a process of its own. */
export const ISOLATIONS = ['thread', 'process'] as const
export type Isolation = (typeof ISOLATIONS)[number]

/** A key or a value of a label of a node. */
export const LABEL_PATTERN = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/

const STRATEGIES = ['oneForOne', 'oneForAll', 'forfeitOneForOne', 'forfeitOneForAll'] as const

export const serviceOptionsSchema = z.strictObject({
  autostart: z.boolean().optional().describe('Start the service with the server, and when it is registered'),
  required: z.boolean().optional().describe('/readyz answers 503 while this service is not running'),
  threads: z.int().min(1).max(256).optional().describe('Number of threads, which share one method queue'),
  numWorkers: z.int().min(1).max(1_024).optional().describe('Methods of one thread that may overlap at await points'),
  queueCapacity: z.int().min(1).max(1_000_000).optional().describe('Calls and casts that may wait in memory'),
  queueBytes: z.int().min(1_024).optional().describe('Total size in bytes of the payloads that may wait in memory'),
  maxResultBytes: z.int().min(1).optional().describe('Largest result, in bytes; JSON is measured as UTF-8'),
  prefetch: z
    .int()
    .min(0)
    .max(4_096)
    .optional()
    .describe('Methods that are handed to a thread ahead of time, in addition to the numWorkers that run'),
  isolation: z
    .enum(ISOLATIONS)
    .optional()
    .describe(
      'thread: all threads run in the process of the server. process: each thread runs in a process of its own, so that running out of memory or a native crash does not affect the server',
    ),
  startTimeoutMs: durationMs.optional().describe('Longest time from the launch of a thread until it has started'),
  shutdownTimeoutMs: durationMs.optional().describe('A thread that has not stopped after this time is terminated'),
  cancelGraceMs: delayMs
    .optional()
    .describe('A thread is replaced when a method goes on for this time after its timeoutMs or its cancellation'),
  hangTimeoutMs: z
    .int()
    .min(100)
    .max(MAX_TIMER_MS)
    .optional()
    .describe('A thread whose event loop is blocked for this time crashes. Default: no thread crashes for that'),
  restart: z
    .strictObject({
      strategy: z
        .enum(STRATEGIES)
        .optional()
        .describe('After a crash: restart the crashed thread or all threads; forfeit: stop them and do not restart'),
      group: z
        .string()
        .regex(NAME_PATTERN)
        .optional()
        .describe(
          'Services of one group share a supervisor: strategy and restart budget apply to all of their threads',
        ),
      maxRestarts: z
        .int()
        .min(0)
        .max(1_000_000)
        .optional()
        .describe('Restarts within periodMs, then the service fails'),
      periodMs: durationMs.optional().describe('Healthy time after which a restart no longer counts'),
      backoffMs: delayMs.optional().describe('Delay before the first restart; doubles with each further one'),
      backoffMaxMs: delayMs.optional().describe('Longest delay before a restart'),
    })
    .optional()
    .describe('What the supervisor does after a crash'),
  limits: z
    .strictObject({
      maxOldGenerationSizeMb: mebibytes.optional(),
      maxYoungGenerationSizeMb: mebibytes.optional(),
      stackSizeMb: z.number().min(0.25).max(256).optional(),
      maxRssMb: mebibytes
        .optional()
        .describe(
          "All memory of a process, Buffers included (only with isolation 'process'). Default: 2048, or a quarter of the machine's memory if that is less",
        ),
    })
    .optional()
    .describe('Memory limits of each thread, in MiB'),
  logLevel: z
    .enum(LOG_LEVELS)
    .optional()
    .describe('The lowest level of its log lines that is kept. Default: that of the server'),
  dependsOn: z
    .array(z.string().regex(NAME_PATTERN))
    .max(64)
    .optional()
    .describe('Services that must run before this one starts, and that stop after it'),
  placement: z
    .strictObject({
      nodes: z.int().min(1).max(1_000).optional().describe('On how many nodes. Default: on all that have the labels'),
      labels: z
        .record(z.string().regex(LABEL_PATTERN), z.string().regex(LABEL_PATTERN))
        .optional()
        .describe('Only on nodes that have all of these labels'),
    })
    .optional()
    .describe('Which nodes of a cluster run the service. Default: every node'),
})

export type ServiceOptions = z.infer<typeof serviceOptionsSchema>

/** The options of a registration: those of a service, and two that a module cannot set. */
export const registrationOptionsSchema = serviceOptionsSchema.extend({
  config: z
    .record(z.string(), z.unknown())
    .optional()
    .describe(
      'The configuration of the service. Its module has the schema, with which it is checked in the thread at the start. Clients that may read the service see it: secrets belong in the environment',
    ),
  env: z
    .array(
      z
        .string()
        .regex(/^[^=]+$/)
        .max(256),
    )
    .max(1_000)
    .optional()
    .describe('Names of the environment variables that the service sees. Default: all'),
})

export type RegistrationOptions = z.infer<typeof registrationOptionsSchema>
export type RestartOptions = NonNullable<ServiceOptions['restart']>
export type PlacementOptions = NonNullable<ServiceOptions['placement']>

const SERVICE_DEFAULTS = {
  autostart: true,
  required: false,
  threads: 1,
  numWorkers: 2,
  queueCapacity: 10_000,
  queueBytes: 64 * 1024 * 1024,
  maxResultBytes: 10 * 1024 * 1024,
  prefetch: 64,
  isolation: 'thread',
  startTimeoutMs: 30_000,
  shutdownTimeoutMs: 10_000,
  cancelGraceMs: 1_000,
  hangTimeoutMs: Number.POSITIVE_INFINITY,
  restart: {
    strategy: 'oneForOne',
    maxRestarts: 5,
    periodMs: 60_000,
    backoffMs: 100,
    backoffMaxMs: 30_000,
  },
  limits: {},
  dependsOn: [] as string[],
} as const satisfies ServiceOptions

type Complete<T> = { [Key in keyof T]-?: NonNullable<T[Key]> }

/**
 * Options with every default filled in. Only these may be missing: `restart.group`, then the service has its own
 * supervisor; `logLevel`, then it has that of the server; `placement`, then every node runs it; `config`; and `env`, then
 * the service sees the whole environment.
 */
export type ResolvedServiceOptions = Complete<Omit<ServiceOptions, 'restart' | 'logLevel' | 'placement'>> & {
  logLevel?: LogLevel | undefined
  placement?: PlacementOptions | undefined
  config?: RegistrationOptions['config']
  env?: RegistrationOptions['env']
  restart: Complete<Omit<RestartOptions, 'group'>> & { group?: string }
}

/** Each layer overrides those before it, key by key; so are the members of `restart`, `limits` and `config`. */
export function mergeOptions(...layers: RegistrationOptions[]): RegistrationOptions {
  const merged: RegistrationOptions = {}
  for (const layer of layers) {
    const members = MERGED.filter((key) => layer[key] !== undefined)
    Object.assign(merged, layer, Object.fromEntries(members.map((key) => [key, { ...merged[key], ...layer[key] }])))
  }
  return merged
}

const MERGED = ['restart', 'limits', 'config'] as const

/** Defaults, overridden by each layer in turn, as {@link mergeOptions} says. */
export function resolveServiceOptions(...layers: RegistrationOptions[]): ResolvedServiceOptions {
  return mergeOptions(SERVICE_DEFAULTS, ...layers) as ResolvedServiceOptions
}

/** Changes of options (RFC 7396): `null` removes an override, so that the option of the module applies again. */
export type OptionsPatch = NullableMembers<
  Omit<RegistrationOptions, 'restart' | 'limits' | 'placement'> & {
    restart: NullableMembers<RestartOptions>
    placement: NullableMembers<PlacementOptions>
    limits: NullableMembers<NonNullable<ServiceOptions['limits']>>
  }
>
type NullableMembers<T> = { [Key in keyof T]?: T[Key] | null }

export function patchOptions(overrides: RegistrationOptions, patch: OptionsPatch): RegistrationOptions {
  return mergePatch(overrides, patch)
}

function mergePatch(target: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...target }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else if (typeof value !== 'object' || Array.isArray(value)) merged[key] = value
    else merged[key] = mergePatch({ ...(merged[key] as object | undefined) }, value as Record<string, unknown>)
  }
  return merged
}

/** Options that can change while the service runs. A thread gets all others when it starts. */
const LIVE_OPTIONS: ReadonlySet<string> = new Set<keyof ServiceOptions>([
  'autostart',
  'required',
  'threads',
  'queueCapacity',
  'queueBytes',
  'startTimeoutMs',
  'shutdownTimeoutMs',
  'cancelGraceMs',
  'restart',
  'dependsOn',
  'logLevel',
  'placement',
])

/** True if the change from one set of options to the other takes effect only in new threads. */
export function needsNewThreads(before: ResolvedServiceOptions, after: ResolvedServiceOptions): boolean {
  const isFixed = ([key]: [string, unknown]) => !LIVE_OPTIONS.has(key)
  const atStart = (options: ResolvedServiceOptions) => Object.fromEntries(Object.entries(options).filter(isFixed))
  return !isDeepStrictEqual(atStart(before), atStart(after))
}

export const methodOptionsSchema = z.object({
  timeoutMs: durationMs.optional().describe('Longest time that one attempt may run'),
  maxAttempts: z.int().min(1).max(1_000).optional().describe('Attempts of a cast, after which it fails'),
  backoffMs: delayMs.optional().describe('Delay before the second attempt of a cast; doubles with each further one'),
  backoffMaxMs: delayMs.optional().describe('Longest delay between two attempts of a cast'),
  priority: z.int().min(0).max(9).optional().describe('0 to 9; methods of priority 9 run first'),
  sensitive: z
    .boolean()
    .optional()
    .describe('Payloads and results of its jobs are in no list, and only for callers that may enqueue its jobs'),
})

export type MethodOptions = z.infer<typeof methodOptionsSchema>
export type ResolvedMethodOptions = Complete<MethodOptions>

export const METHOD_DEFAULTS: ResolvedMethodOptions = {
  timeoutMs: 30_000,
  maxAttempts: 3,
  backoffMs: 1_000,
  backoffMaxMs: 60_000,
  priority: 5,
  sensitive: false,
}
