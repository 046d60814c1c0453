/** What is done with all jobs of a service at once: its failed ones are retried, its unfinished ones are cancelled. */
import { ThreadplaneError } from '../contract/errors.ts'
import type { JobStore, WaitingJob } from './job-store.ts'
import type { StoreDeadline } from './store-deadline.ts'

/** Jobs in one transaction. */
const STEP = 500

export interface ServiceJobsSettings {
  store: JobStore
  deadline: StoreDeadline
  /** Cancels a job that runs, unless it has finished. */
  cancel: (id: string) => Promise<void>
  /** Called for each job that waited and is cancelled now. */
  onCancelled: (job: WaitingJob) => void
  /** Called when jobs of the service wait in the store again. */
  onWaiting: (service: string) => void
}

export class ServiceJobs {
  readonly #settings: ServiceJobsSettings

  constructor(settings: ServiceJobsSettings) {
    this.#settings = settings
  }

  /** Queues all failed jobs of a service again. Returns how many. @throws JOURNAL_UNAVAILABLE */
  async retryFailed(service: string): Promise<number> {
    const { store, deadline, onWaiting } = this.#settings
    // Jobs that fail again meanwhile do not count, or this might never end.
    const failedBy = Date.now()
    let retried = 0
    for (;;) {
      const step = await deadline.within(store.requeueFailed(service, STEP, failedBy))
      retried += step
      onWaiting(service)
      if (step < STEP) return retried
    }
  }

  countUnfinished(service: string): Promise<number> {
    const { store, deadline } = this.#settings
    return deadline.within(store.countUnfinished(service))
  }

  /** Cancels all unfinished jobs of a service. @throws CONFLICT if some running jobs do not end; JOURNAL_UNAVAILABLE */
  async cancelAll(service: string): Promise<void> {
    const { store, deadline, cancel, onCancelled } = this.#settings
    for (;;) {
      const jobs = await deadline.within(store.cancelWaiting(service, STEP))
      jobs.forEach(onCancelled)
      if (jobs.length < STEP) break
    }
    for (let before = new Set<string>(); ; ) {
      const ids = await deadline.within(store.unfinished(service, STEP))
      if (ids.length === 0) return
      if (ids.every((id) => before.has(id))) {
        throw new ThreadplaneError('CONFLICT', `${ids.length} jobs could not be cancelled yet`, { service })
      }
      before = new Set(ids)
      await Promise.all(ids.map(cancel))
    }
  }
}
