/** Which events a client asked for: by type, and by service. Pure. */
import type { LoggedEvent } from './logged-event.ts'
import { CONTROL_EVENT_TYPES, JOB_EVENT_TYPES } from '../contract/events.ts'

export const DEFAULT_TYPES = 'service.*,thread.*,schedule.*,server.*,job.failed'
/** Made for one stream, and kept nowhere. */
const UNLOGGED_TYPES = ['stats', 'log', 'audit'] as const
const TYPES: readonly string[] = [...CONTROL_EVENT_TYPES, ...JOB_EVENT_TYPES, ...UNLOGGED_TYPES]
const JOB_TYPES: ReadonlySet<string> = new Set(JOB_EVENT_TYPES)

/** Is it a type of events that are kept? */
export function isKeptType(type: string): type is LoggedEvent['type'] {
  return isJobType(type) || (CONTROL_EVENT_TYPES as readonly string[]).includes(type)
}

export function isJobType(type: string): boolean {
  return JOB_TYPES.has(type)
}

/** What the token of a client lets it see. */
export interface Sight {
  /** Equal for clients that see the same. */
  key: string
  /** @param service `undefined`: the server itself */
  sees: (type: string, service: string | undefined) => boolean
}

export class EventFilter {
  /** As the client wrote them. */
  readonly types: string[]
  readonly hasControl: boolean
  /** Also if only `job.failed` is asked for. */
  readonly hasJobs: boolean
  /** Are events of jobs asked for that are emitted only for followers? */
  readonly followsJobs: boolean
  readonly wantsStats: boolean
  readonly wantsLogs: boolean
  readonly wantsAudit: boolean
  /** Only what happens on this node: another node asks, which merges the events of all. */
  readonly ownOnly: boolean
  /** Streams of equal keys get the same events. */
  readonly key: string
  readonly #types: ReadonlySet<string>
  readonly #services: ReadonlySet<string> | undefined
  readonly #sight: Sight | undefined

  private constructor(
    types: string[],
    matched: ReadonlySet<string>,
    services: string[] | undefined,
    sight: Sight | undefined,
    ownOnly: boolean,
  ) {
    this.ownOnly = ownOnly
    this.#sight = sight
    this.types = types
    this.#types = matched
    this.#services = services && new Set(services)
    const jobs = [...matched].filter(isJobType)
    this.hasJobs = jobs.length > 0
    this.followsJobs = jobs.some((type) => type !== 'job.failed')
    this.hasControl = CONTROL_EVENT_TYPES.some((type) => matched.has(type))
    this.wantsStats = matched.has('stats')
    this.wantsLogs = matched.has('log')
    this.wantsAudit = matched.has('audit')
    this.key = JSON.stringify([[...matched].sort(), services?.toSorted(), sight?.key, ownOnly])
  }

  /**
   * @param types a list with commas: types, or the beginnings of some: `job.*`
   * @param services a list with commas; `undefined`: all
   * @param sight `undefined`: the client may see everything
   * @returns the first of the types that does not exist
   */
  static parse(
    types = DEFAULT_TYPES,
    services?: string,
    sight?: Sight,
    ownOnly = false,
  ): EventFilter | { unknown: string } {
    const patterns = split(types)
    const matched = new Set<string>()
    for (const pattern of patterns) {
      const found = TYPES.filter((type) => matches(pattern, type))
      if (found.length === 0) return { unknown: pattern }
      for (const type of found) matched.add(type)
    }
    return new EventFilter(patterns, matched, services === undefined ? undefined : split(services), sight, ownOnly)
  }

  /** @param origin another node that it happened on */
  passes({ type, service, origin }: Pick<LoggedEvent, 'service' | 'origin'> & { type: string }): boolean {
    if (!this.#types.has(type) || (this.ownOnly && origin !== undefined)) return false
    return service === undefined ? this.#sees(type, undefined) : this.hasService(service, type)
  }

  /** @param type of what is shown of the service */
  hasService(service: string, type = 'snapshot'): boolean {
    return (this.#services === undefined || this.#services.has(service)) && this.#sees(type, service)
  }

  #sees(type: string, service: string | undefined): boolean {
    return this.#sight === undefined || this.#sight.sees(type, service)
  }
}

function split(list: string): string[] {
  return list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function matches(pattern: string, type: string): boolean {
  return pattern.endsWith('.*') ? type.startsWith(pattern.slice(0, -1)) : pattern === type || pattern === '*'
}
