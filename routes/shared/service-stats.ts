/** The numbers of services that a stream of events shows: all of them at first, then what has changed. */
import type { EventFilter } from '../../src/events/event-filter.ts'
import type { Registry } from '../../src/registry/registry.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { serviceSummary } from '../schemas/service-summary.ts'

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

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

/** The present state of the services that a client asked for, in lists of limited length. One list at least. */
export function snapshotOf(registry: Registry, filter: EventFilter): object[][] {
  const services = registry.services.filter(({ name }) => filter.hasService(name)).map(serviceSummary)
  const lists = Array.from({ length: Math.ceil(services.length / SERVICES_PER_EVENT) }, (_, at) =>
    services.slice(at * SERVICES_PER_EVENT, (at + 1) * SERVICES_PER_EVENT),
  )
  return lists.length === 0 ? [[]] : lists
}
