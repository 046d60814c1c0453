/** Which jobs a list shows. In the address it is a query, in the field a text such as `state:failed service:primes`. Pure. */
import type { JobState } from '../../../../src/contract/states.ts'

export const STATES = [
  'scheduled',
  'queued',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'expired',
] as const satisfies readonly JobState[]

export interface JobFilter {
  state?: JobState
  service?: string
  method?: string
  /** `15m`, `2h`, `7d`, or an ISO time. */
  since?: string
  /** `key` of a group of failures. */
  errorKey?: string
}

export const FILTER_NAMES = [
  'state',
  'service',
  'method',
  'since',
  'errorKey',
] as const satisfies readonly (keyof JobFilter)[]

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** What the query of the address says; what makes no sense is left out. */
export function filterOfQuery(query: URLSearchParams): JobFilter {
  const given = FILTER_NAMES.map((name) => [name, query.get(name) ?? ''] as const)
  return checked(Object.fromEntries(given.filter(([, value]) => value !== ''))).filter
}

export function filterText(filter: JobFilter): string {
  return FILTER_NAMES.filter((name) => filter[name] !== undefined)
    .map((name) => `${name}:${filter[name]}`)
    .join(' ')
}

/** @returns the filter, and why a part of the text was not understood */
export function parseFilter(text: string): { filter: JobFilter; problem?: string } {
  const given: Record<string, string> = {}
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const at = word.indexOf(':')
    const name = word.slice(0, at)
    if (at < 1 || !(FILTER_NAMES as readonly string[]).includes(name)) {
      return {
        filter: {},
        problem: `“${word}” is not understood: write ${FILTER_NAMES.map((one) => `${one}:…`).join(' ')}`,
      }
    }
    given[name] = word.slice(at + 1)
  }
  return checked(given)
}

function checked(given: Record<string, string>): { filter: JobFilter; problem?: string } {
  const { state, since, ...names } = given
  const isState = state === undefined || (STATES as readonly string[]).includes(state)
  const isSince = since === undefined || sinceMs(since, 0) !== undefined
  const filter = {
    ...names,
    ...(isState && state !== undefined && { state }),
    ...(isSince && since !== undefined && { since }),
  } as JobFilter
  if (!isState) return { filter, problem: `There is no state ${state}: it is one of ${STATES.join(', ')}` }
  if (!isSince) return { filter, problem: `“${since}” is no time: write 15m, 2h, 7d, or 2026-01-31T12:00:00Z` }
  return { filter }
}

/** The time that `since` names, in milliseconds since the epoch. */
export function sinceMs(since: string, now: number): number | undefined {
  const [, number, unit = ''] = /^(\d{1,6})([smhd])$/.exec(since) ?? []
  if (number !== undefined) return now - Number(number) * (UNITS[unit] ?? 0)
  const time = /^\d{4}-\d\d-\d\d/.test(since) ? Date.parse(since) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

/** The `since` of a filter as an ISO time. */
export function sinceTime({ since }: JobFilter, now: number): string | undefined {
  const ms = since === undefined ? undefined : sinceMs(since, now)
  return ms === undefined ? undefined : new Date(ms).toISOString()
}

/** Does the job of an event belong into the list? An event does not tell the key of an error. */
export function belongs(
  { state, service, method, errorKey }: JobFilter,
  job: { state: string; service: string; method: string },
): boolean {
  return (
    (state === undefined || state === job.state) &&
    (service === undefined || service === job.service) &&
    (method === undefined || method === job.method) &&
    errorKey === undefined
  )
}
