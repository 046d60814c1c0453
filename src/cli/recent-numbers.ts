/** What a list of services shows beside their summaries: numbers of the last minute, and when a service starts again. */
import type { SeriesView } from '../../routes/schemas/series.ts'
import type { Session } from './session.ts'

export interface Recent {
  callsPerS: number | null
  p95Ms: number | null
  /** When its supervisor starts it again. */
  nextStartAt: string | null
}

/** Of more services the numbers are not asked for: each takes a request. */
const MAX_SERVICES = 32
const LAST_S = 60

/** By service. What cannot be had, for want of a scope for example, is not known. */
export async function recentNumbers(
  session: Session,
  services: readonly { name: string; state: string }[],
): Promise<Map<string, Recent>> {
  const isWaiting = services.some(({ state }) => state === 'backoff')
  const [starts, series] = await Promise.all([
    isWaiting ? nextStarts(session).catch(() => new Map<string, string>()) : new Map<string, string>(),
    Promise.all(
      services.map(async ({ name }) => {
        if (services.length > MAX_SERVICES) return undefined
        const query = { service: name, last: `${LAST_S}s` }
        return session.get<SeriesView>('/v1/series', query).catch(() => undefined)
      }),
    ),
  ])
  return new Map(
    services.map(({ name }, at) => {
      const numbers = series[at] === undefined ? undefined : lastMinute(series[at].body)
      return [name, { callsPerS: null, p95Ms: null, nextStartAt: starts.get(name) ?? null, ...numbers }]
    }),
  )
}

function lastMinute({ columns, items }: SeriesView): Pick<Recent, 'callsPerS' | 'p95Ms'> | undefined {
  if (items.length === 0) return undefined
  const column = (name: string) => items.map((row) => row[columns.indexOf(name)] ?? null)
  const calls = column('calls').reduce<number>((sum, count) => sum + (count ?? 0), 0)
  const slowest = column('runP95Ms').filter((p95Ms) => p95Ms !== null)
  return { callsPerS: calls / LAST_S, p95Ms: slowest.length === 0 ? null : Math.max(...slowest) }
}

/** The starts that supervisors have announced, as far as the server keeps their events. */
async function nextStarts(session: Session): Promise<Map<string, string>> {
  interface StateEvent {
    service: string
    nextStartAt: string | null
  }
  const plane = await session.plane()
  const { items } = (await plane.request('GET', '/v1/events', {
    query: { type: 'service.state' },
    headers: { accept: 'application/json' },
    signal: session.io.interrupted,
  })) as { items: StateEvent[] }
  const starts = new Map<string, string>()
  for (const { service, nextStartAt } of items) {
    if (nextStartAt === null) starts.delete(service)
    else starts.set(service, nextStartAt)
  }
  return starts
}
