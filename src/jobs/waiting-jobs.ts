/**
 * What the clock does to jobs that wait in the store: they expire when their `ttlMs` has passed, and when the clock is set
 * back, they wait no longer than they were to wait at first.
 */
import type { ServiceLog } from '../contract/log.ts'
import { hasCode } from '../contract/errors.ts'
import { ClockWatch, type SetBack } from './clock-watch.ts'
import type { JobName } from './job.ts'
import type { JobStore } from './job-store.ts'
import type { StoreDeadline } from './store-deadline.ts'

export interface WaitingJobsSettings {
  store: JobStore
  log: ServiceLog
  deadline: StoreDeadline
  /** Called when a job has expired. */
  onExpired: (job: JobName) => void
  /** Called when jobs of any service may run earlier. */
  onEarlier: () => void
}

export class WaitingJobs {
  readonly #settings: WaitingJobsSettings
  readonly #clock = new ClockWatch()
  #expiring = false

  constructor(settings: WaitingJobsSettings) {
    this.#settings = settings
  }

  /** To be called regularly. */
  sweep(): void {
    void this.#expire()
    const setBack = this.#clock.setBack()
    if (setBack !== undefined) void this.#followClock(setBack)
  }

  /** In several transactions. */
  async #expire(): Promise<void> {
    const { store, log, deadline, onExpired } = this.#settings
    // Many jobs take longer than the time between two sweeps.
    if (this.#expiring) return
    this.#expiring = true
    try {
      // This also shows whether the store answers at all.
      const expire = () => deadline.within(store.expire())
      for (let jobs = await expire(); jobs.length > 0; jobs = await expire()) jobs.forEach(onExpired)
    } catch (error) {
      if (!hasCode(error, 'JOURNAL_UNAVAILABLE')) log.error({ err: error }, 'jobs could not be expired')
    } finally {
      this.#expiring = false
    }
  }

  /** Jobs that wait for a time would wait so much longer. */
  async #followClock({ byMs, since }: SetBack): Promise<void> {
    const { store, log, onEarlier } = this.#settings
    log.warn(`the clock was set back by ${byMs} ms`)
    try {
      await store.clockSetBack(byMs, since)
    } catch (error) {
      log.error({ err: error }, 'jobs that wait for a time do not follow the clock, which was set back')
    }
    onEarlier()
  }
}
