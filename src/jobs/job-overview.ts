/** Jobs at a glance, as routes show them: how many there are in each state, what failed, what a job was cast with. */
import { ThreadplaneError } from '../contract/errors.ts'
import type { Attempts } from './attempts.ts'
import { jobNotFound } from './job.ts'
import type { FailureGroup, JobStore, ServiceCounts } from './job-store.ts'
import type { StoreDeadline } from './store-deadline.ts'

export interface ServiceOverview extends ServiceCounts {
  /**
   * Since when its oldest job waits that could run, in milliseconds since the epoch. Where only attempts wait that have not
   * begun in a thread: since they were handed to it.
   */
  oldestQueuedAt: number | undefined
}

interface JobOverviewParts {
  store: JobStore
  deadline: StoreDeadline
  attempts: Attempts
}

export class JobOverview {
  readonly #parts: JobOverviewParts

  constructor(parts: JobOverviewParts) {
    this.#parts = parts
  }

  /** The jobs of each service that has any, by state. As everywhere, an attempt that has not begun in a thread is `queued`. */
  async counts(service?: string): Promise<ServiceOverview[]> {
    const { store, deadline, attempts } = this.#parts
    const [stored, queued] = await deadline.within(Promise.all([store.counts(service), store.oldestQueued()]))
    const oldest = new Map(queued.map(({ service, since }) => [service, since]))
    const notBegun = new Map<string, number>()
    const startedAt = Date.now() - performance.now()
    for (const { service, handedAt } of attempts.notBegun()) {
      notBegun.set(service, (notBegun.get(service) ?? 0) + 1)
      oldest.set(service, Math.min(oldest.get(service) ?? Number.POSITIVE_INFINITY, startedAt + handedAt))
    }
    return stored.map(({ service, counts }) => {
      const waiting = Math.min(notBegun.get(service) ?? 0, counts.running)
      return {
        service,
        counts: { ...counts, queued: counts.queued + waiting, running: counts.running - waiting },
        oldestQueuedAt: oldest.get(service),
      }
    })
  }

  /** Failed jobs by their errors, newest failure first. */
  async failures(limit: number, service?: string): Promise<FailureGroup[]> {
    const { store, deadline } = this.#parts
    return deadline.within(store.failures(limit, service))
  }

  /** The payload of a job, as JSON text. @throws JOB_NOT_FOUND, JOURNAL_UNAVAILABLE */
  async payload(id: string): Promise<{ service: string; method: string; payload: string }> {
    const { store, deadline } = this.#parts
    const stored = await deadline.within(store.payload(id))
    if (stored === undefined) throw jobNotFound(id)
    const { service, method, payload } = stored
    if (payload === null) throw new ThreadplaneError('INTERNAL', 'the record of the payload is damaged', { jobId: id })
    return { service, method, payload }
  }

  /** What the failed attempts of a job have logged last: lines of JSON, a text for each attempt. */
  attemptLogs(id: string): Promise<string[]> {
    const { store, deadline } = this.#parts
    return deadline.within(store.attemptLogs(id))
  }
}
