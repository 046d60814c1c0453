/**
 * What ends the wait of jobs in the store: they expire when their `ttlMs` has passed, a client wants one to run now, and
 * when the clock is set back, they wait no longer than they were to wait at first.
 */
import type { ServiceLog } from '../contract/log.ts'
import { hasCode, ThreadplaneError } from '../contract/errors.ts'
import type { Attempts } from './attempts.ts'
import { ClockWatch, type SetBack } from './clock-watch.ts'
import { type Job, jobNotFound } from './job.ts'
import type { JobStore, WaitingJob } from './job-store.ts'
import type { StoreDeadline } from './store-deadline.ts'

export interface WaitingJobsSettings {
  store: JobStore
  log: ServiceLog
  deadline: StoreDeadline
  attempts: Attempts
  onExpired: (job: WaitingJob) => void
  /** Called when jobs of any service may run earlier. */
  onEarlier: () => void
  /** Called when a job of a service waits for its turn, and for no time. */
  onWaiting: (service: string) => void
}

export class WaitingJobs {
  readonly #settings: WaitingJobsSettings
  readonly #clock = new ClockWatch()
  #expiring = false

  constructor(settings: WaitingJobsSettings) {
    this.#settings = settings
  }

  /** Lets a job run that waits for its time. @throws JOB_NOT_FOUND, CONFLICT, JOURNAL_UNAVAILABLE */
  async runNow(id: string): Promise<Job> {
    const { store, deadline, attempts, onWaiting } = this.#settings
    const stored = await deadline.within(store.runNow(id))
    if (stored === undefined) throw jobNotFound(id)
    const job = attempts.view(stored)
    if (job.state !== 'queued') {
      const detail = `the job is ${job.state}: only a job that waits for its time can be run now`
      throw new ThreadplaneError('CONFLICT', detail, { jobId: id })
    }
    onWaiting(job.service)
    return job
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
