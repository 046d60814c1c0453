/** The numbers of services that a stream of events shows: all of them at first, then what has changed. */
import type { Registry } from '../../src/registry/registry.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import type { ServiceSummary } from '../schemas/service-summary.ts'

/** What the numbers of a service are, in their order. */
export const STATS_COLUMNS = [
  'queue',
  'running',
  'callsPerS',
  'jobsPerS',
  'failedPerS',
  'p50Ms',
  'p95Ms',
  'p99Ms',
  'elu',
  'heapBytes',
] as const

/** Of several nodes, the greatest of these is shown: there is no sum of them. */
const GREATEST: ReadonlySet<string | undefined> = new Set(['p50Ms', 'p95Ms', 'p99Ms', 'elu'])

/** `null`: not known. */
type Row = (number | null)[]

/** Of which methods ran no longer: `p50Ms`, `p95Ms`, `p99Ms`. */
const SHARES = [0.5, 0.95, 0.99]

/** Services in one event. */
const SERVICES_PER_EVENT = 100

interface Sample {
  at: number
  calls: number
  jobs: number
  failed: number
  meter: SupervisedService['meter']
  runs: ReturnType<SupervisedService['meter']['recentRuns']>
  row: Row
}

export class ServiceStats {
  readonly #registry: Registry
  #samples = new Map<string, Sample>()
  /** Id of another node → the last numbers of its services. */
  readonly #others = new Map<string, Map<string, Row>>()
  /** Services whose numbers on other nodes have changed since they were last shown. */
  #heard = new Set<string>()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** The numbers of each service whose numbers are other ones than at the last call. */
  changed(): Record<string, Row> {
    const samples = new Map<string, Sample>()
    const changed: Record<string, Row> = {}
    for (const service of this.#registry.services) {
      const before = this.#samples.get(service.name)
      const sample = sampleOf(service, before)
      samples.set(service.name, sample)
      if (before === undefined || sample.row.some((value, at) => value !== before.row[at])) {
        changed[service.name] = sample.row
      }
    }
    this.#samples = samples
    return changed
  }

  /** Another node has told the numbers of its services that have changed. */
  heard(node: string, rows: Record<string, Row>): void {
    const known = this.#others.get(node) ?? new Map<string, Row>()
    this.#others.set(node, known)
    for (const [service, row] of Object.entries(rows)) {
      known.set(service, row)
      this.#heard.add(service)
    }
  }

  forget(node: string): void {
    for (const service of this.#others.get(node)?.keys() ?? []) this.#heard.add(service)
    this.#others.delete(node)
  }

  /** The numbers of all nodes together, of services whose numbers have changed here (`own`) or on another node. */
  ofAll(own: Record<string, Row>): Record<string, Row> {
    const names = [...new Set([...Object.keys(own), ...this.#heard])]
    this.#heard = new Set()
    const sums: Record<string, Row> = {}
    for (const name of names) {
      const here = this.#samples.get(name)?.row
      const others = [...this.#others.values()].flatMap((rows): Row[] => [rows.get(name) ?? []])
      const rows = [here ?? [], ...others].filter(({ length }) => length > 0)
      if (rows.length > 0) sums[name] = rows.reduce(together)
    }
    return sums
  }
}

function sampleOf(service: SupervisedService, last: Sample | undefined): Sample {
  const { meter } = service
  // A service that was deleted and registered again counts from 0.
  const before = last?.meter === meter ? last : undefined
  const runs = before?.runs ?? meter.recentRuns()
  const times = runs.take(...SHARES)
  const at = performance.now()
  const { calls, casts, failed } = service.counter.counts
  const perSecond = (now: number, then: number | undefined) =>
    before === undefined || then === undefined ? 0 : round(((now - then) / (at - before.at)) * 1_000)
  const threads = service.threads.filter(({ state }) => state === 'running')
  const elu = threads.reduce((most, thread) => Math.max(most, thread.eventLoopUtilization), 0)
  const heapBytes = threads.reduce((sum, { heapUsedBytes }) => sum + heapUsedBytes, 0)
  const rates = [perSecond(calls, before?.calls), perSecond(casts, before?.jobs), perSecond(failed, before?.failed)]
  return {
    at,
    calls,
    jobs: casts,
    failed,
    meter,
    runs,
    row: [
      service.waiting,
      service.running,
      ...rates,
      // At first there is no span of time that they could be of.
      ...(before === undefined ? times.map(() => null) : times),
      round(elu),
      heapBytes,
    ],
  }
}

/** Numbers of two nodes: the longest times, the busiest thread, and the sum of all else. */
function together(one: Row, other: Row): Row {
  return one.map((value, at) => {
    const more = other[at] ?? null
    if (value === null || more === null) return value ?? more
    return GREATEST.has(STATS_COLUMNS[at]) ? Math.max(value, more) : round(value + more)
  })
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

/** The present state of services, in lists of limited length. One list at least. */
export function snapshotOf(services: ServiceSummary[]): object[][] {
  const lists = Array.from({ length: Math.ceil(services.length / SERVICES_PER_EVENT) }, (_, at) =>
    services.slice(at * SERVICES_PER_EVENT, (at + 1) * SERVICES_PER_EVENT),
  )
  return lists.length === 0 ? [[]] : lists
}
