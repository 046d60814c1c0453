/** Jobs at a glance, as routes show them: how many there are in each state, what failed, what a job was cast with. */
import { ThreadplaneError } from '../contract/errors.ts'
import type { Attempts } from './attempts.ts'
import { jobNotFound } from './job.ts'
import type { FailureGroup, JobStore, ServiceCounts } from './job-store.ts'
import type { StoreDeadline } from './store-deadline.ts'

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
  async counts(service?: string): Promise<ServiceCounts[]> {
    const { store, deadline, attempts } = this.#parts
    const stored = await deadline.within(store.counts(service))
    const notBegun = new Map<string, number>()
    for (const { service } of attempts.notBegun()) notBegun.set(service, (notBegun.get(service) ?? 0) + 1)
    return stored.map(({ service, counts }) => {
      const waiting = Math.min(notBegun.get(service) ?? 0, counts.running)
      return { service, counts: { ...counts, queued: counts.queued + waiting, running: counts.running - waiting } }
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
