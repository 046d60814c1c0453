/**
 * Where jobs are kept. The dispatcher knows this interface only, so that another store can take its place.
 */
import type { Job, JobError, JobProgress, JobState } from './job.ts'

export interface JobFilter {
  service?: string
  method?: string
  state?: JobState
  limit: number
  /** The id after which the page begins. */
  cursor?: string
}

export interface JobPage {
  items: Job[]
  nextCursor: string | null
}

export type JobOutcome =
  | { state: 'succeeded'; result: string }
  | { state: 'failed' | 'cancelled' | 'expired'; error: JobError }

/** Every method resolves once what it did is kept, to the job as it then is. */
export interface JobStore {
  /** @throws JOURNAL_UNAVAILABLE */
  accept(job: Job): Promise<Job>
  get(id: string): Promise<Job | undefined>
  /** Newest first. */
  list(filter: JobFilter): Promise<JobPage>
  /** The oldest due jobs of a service, highest priority first, not more than `limit`. */
  due(service: string, limit: number): Promise<Job[]>
  /** When the next scheduled job of a service is due, in milliseconds since the epoch. */
  nextDueAt(service: string): Promise<number | undefined>
  /** An attempt begins: the job is `running`, and `attempts` counts it. `undefined` if it waits no more. */
  begin(id: string): Promise<Job | undefined>
  /** An attempt that was never begun by the thread goes back to the queue, uncounted. */
  release(id: string, attempt: number): Promise<void>
  /** An attempt failed and another follows at `notBefore`. Refused where the attempt is not the present one. */
  retry(id: string, attempt: number, error: JobError, notBefore: Date): Promise<Job | undefined>
  /** The one outcome of a job. `attempt` fences off the late result of an abandoned one. */
  finish(id: string, attempt: number, outcome: JobOutcome): Promise<Job | undefined>
  /** Kept in memory only, and not awaited. */
  progress(id: string, attempt: number, progress: JobProgress): void
  /** Ends the waiting jobs whose `expiresAt` has passed. */
  expire(): Promise<Job[]>
  /** A finished job is queued again, its attempts counted anew; its history is kept. */
  requeue(id: string): Promise<Job>
  remove(id: string): Promise<void>
  /** Ids of the unfinished jobs of a service. */
  unfinished(service: string): Promise<string[]>
}
