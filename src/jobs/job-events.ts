/**
 * Tells clients what happens to jobs, while somebody follows them. The failure of a job for good is told always.
 */
import { type EventJob, eventMessage, type EventSink, type JobEvent } from '../contract/events.ts'
import type { Job, JobError } from './job.ts'
import type { OpenAttempt, WaitingJob } from './job-store.ts'

export class JobEvents {
  readonly #sink: EventSink

  constructor(sink: EventSink) {
    this.#sink = sink
  }

  get areFollowed(): boolean {
    return this.#sink.followsJobs
  }

  accepted(job: Job): void {
    if (this.areFollowed) this.#sink.emit({ type: 'job.accepted', job: ofRecord(job, job.state) })
  }

  deleted(job: Job): void {
    if (this.areFollowed) this.#sink.emit({ type: 'job.deleted', job: ofRecord(job, job.state) })
  }

  /** A job that waited has ended. */
  withdrawn(job: WaitingJob, state: 'cancelled' | 'expired'): void {
    if (this.areFollowed) this.#sink.emit({ type: `job.${state}`, job: ofRecord(job, state) })
  }

  started(service: string, attempt: OpenAttempt): void {
    if (this.areFollowed) this.#sink.emit({ type: 'job.started', job: ofAttempt(service, attempt, 'running') })
  }

  progress(service: string, attempt: OpenAttempt, progress: { fraction: number; note?: string }): void {
    if (!this.areFollowed) return
    this.#sink.emit({ type: 'job.progress', job: ofAttempt(service, attempt, 'running'), progress })
  }

  /** The attempt has ended, and with it perhaps the job. */
  ended(service: string, attempt: OpenAttempt, state: EventJob['state'], error?: JobError): void {
    this.attemptEnded(ofAttempt(service, attempt, state), error)
  }

  /** @param job with the state that it has now: `scheduled`, or an outcome */
  attemptEnded(job: EventJob, error?: JobError): void {
    const { state } = job
    if (state !== 'failed' && !this.areFollowed) return
    const type = state === 'scheduled' ? 'job.retrying' : (`job.${state}` as JobEvent['type'])
    const told = error && { code: error.code, message: eventMessage(error.message) }
    const named = error?.cause === undefined ? told : { ...told, name: error.cause.name, message: told?.message ?? '' }
    this.#sink.emit({ type, job, ...(named !== undefined && { error: named }) })
  }
}

function ofRecord(job: WaitingJob, state: EventJob['state']): EventJob {
  const { id, service, method, attempts, maxAttempts, priority } = job
  return { id, service, method, state, attempts, maxAttempts, priority }
}

function ofAttempt(service: string, attempt: OpenAttempt, state: EventJob['state']): EventJob {
  const { id, method, number, maxAttempts, priority } = attempt
  return { id, service, method, state, attempts: number, maxAttempts, priority }
}
