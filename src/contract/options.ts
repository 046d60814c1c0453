/**
 * The options of a service and of a method: one zod table each, the defaults beside it.
 *
 * A module gives them to `defineService`, `PUT /v1/services/{service}` overrides them (DESIGN section 4), and its
 * JSON Schema is generated from here.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'

const MAX_TIMER_MS = 2 ** 31 - 1

const durationMs = z.int().min(1).max(MAX_TIMER_MS)
const delayMs = z.int().min(0).max(MAX_TIMER_MS)
const mebibytes = z.number().min(1).max(65_536)

/** What names a service, method or schedule; anything else is 404 in use and 422 in `PUT`. */
export const NAME_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/

/** Where the threads of a service run: in the server's process, or each in a process of its own. */
export const ISOLATIONS = ['thread', 'process'] as const
export type Isolation = (typeof ISOLATIONS)[number]

const STRATEGIES = ['oneForOne', 'oneForAll', 'forfeitOneForOne', 'forfeitOneForAll'] as const

export const serviceOptionsSchema = z.strictObject({
  autostart: z.boolean().optional().describe('Start with the server, and when registered'),
  required: z.boolean().optional().describe('/readyz fails while this service is not running'),
  threads: z.int().min(1).max(256).optional().describe('Threads over one method queue'),
  numWorkers: z.int().min(1).max(1_024).optional().describe('Methods of one thread that may overlap at await points'),
  queueCapacity: z.int().min(1).max(1_000_000).optional().describe('Calls and casts that may wait in memory'),
  queueBytes: z.int().min(1_024).optional().describe('Bytes of payloads that may wait in memory'),
  maxResultBytes: z.int().min(1).optional().describe('Largest result, as JSON'),
  prefetch: z.int().min(0).max(4_096).optional().describe('Methods handed to a thread beyond numWorkers'),
  isolation: z
    .enum(ISOLATIONS)
    .optional()
    .describe('Threads of the server, or each in a process of its own, which may exhaust memory or crash natively'),
  startTimeoutMs: durationMs.optional().describe('From launching a thread to started'),
  shutdownTimeoutMs: durationMs.optional().describe('From stop to the termination of a thread'),
  cancelGraceMs: delayMs.optional().describe('From the abort of a method to the retirement of its thread'),
  hangTimeoutMs: z
    .int()
    .min(100)
    .max(MAX_TIMER_MS)
    .optional()
    .describe('A thread whose event loop has not turned for so long crashes; without it none does'),
  restart: z
    .strictObject({
      strategy: z.enum(STRATEGIES).optional(),
      group: z.string().regex(NAME_PATTERN).optional().describe('Services of one group are supervised together'),
      maxRestarts: z.int().min(0).max(1_000_000).optional(),
      periodMs: durationMs.optional(),
      backoffMs: delayMs.optional(),
      backoffMaxMs: delayMs.optional(),
    })
    .optional(),
  limits: z
    .strictObject({
      maxOldGenerationSizeMb: mebibytes.optional(),
      maxYoungGenerationSizeMb: mebibytes.optional(),
      stackSizeMb: z.number().min(0.25).max(256).optional(),
      maxRssMb: mebibytes
        .optional()
        .describe(
          "All memory of a process, Buffers too (isolation 'process'); default: 2048, or a quarter of the machine's",
        ),
    })
    .optional()
    .describe('Memory limits of each thread, in MiB'),
  dependsOn: z
    .array(z.string().regex(NAME_PATTERN))
    .max(64)
    .optional()
    .describe('Services that run before this one starts, and stop after it'),
})

export type ServiceOptions = z.infer<typeof serviceOptionsSchema>
export type RestartOptions = NonNullable<ServiceOptions['restart']>

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

/** Options with every default filled in; a service without a group is alone. */
export type ResolvedServiceOptions = Complete<Omit<ServiceOptions, 'restart'>> & {
  restart: Complete<Omit<RestartOptions, 'group'>> & { group?: string }
}

/** Later layers win, key by key; `restart` and `limits` are merged likewise. */
export function resolveServiceOptions(...layers: ServiceOptions[]): ResolvedServiceOptions {
  const resolved: ResolvedServiceOptions = { ...SERVICE_DEFAULTS }
  for (const layer of layers) {
    Object.assign(resolved, layer, {
      restart: { ...resolved.restart, ...layer.restart },
      limits: { ...resolved.limits, ...layer.limits },
    })
  }
  return resolved
}

/** Changes of options: `null` gives one back to the module, as in RFC 7396. */
export type OptionsPatch = NullableMembers<
  Omit<ServiceOptions, 'restart' | 'limits'> & {
    restart: NullableMembers<RestartOptions>
    limits: NullableMembers<NonNullable<ServiceOptions['limits']>>
  }
>
type NullableMembers<T> = { [Key in keyof T]?: T[Key] | null }

export function patchOptions(overrides: ServiceOptions, patch: OptionsPatch): ServiceOptions {
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

/** What a service takes up as it runs. Any other option is given to a thread at its start. */
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
])

/** Do these options come into force only with new threads? */
export function needsNewThreads(before: ResolvedServiceOptions, after: ResolvedServiceOptions): boolean {
  const given = ([key]: [string, unknown]) => !LIVE_OPTIONS.has(key)
  const atStart = (options: ResolvedServiceOptions) => Object.fromEntries(Object.entries(options).filter(given))
  return !isDeepStrictEqual(atStart(before), atStart(after))
}

export const methodOptionsSchema = z.object({
  timeoutMs: durationMs.optional().describe('Deadline of one attempt'),
  maxAttempts: z.int().min(1).max(1_000).optional().describe('Attempts of a cast'),
  backoffMs: delayMs.optional().describe('Delay before the second attempt of a cast; doubles with each'),
  backoffMaxMs: delayMs.optional(),
  priority: z.int().min(0).max(9).optional().describe('9 runs first'),
})

export type MethodOptions = z.infer<typeof methodOptionsSchema>
export type ResolvedMethodOptions = Complete<MethodOptions>

export const METHOD_DEFAULTS: ResolvedMethodOptions = {
  timeoutMs: 30_000,
  maxAttempts: 3,
  backoffMs: 1_000,
  backoffMaxMs: 60_000,
  priority: 5,
}
