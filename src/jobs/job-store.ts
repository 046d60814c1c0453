/**
 * Where jobs are kept. The dispatcher knows this interface only; every method resolves once what it did is on disk
 * (P2).
 */
import type { Job, JobError, JobProgress, JobState, NewJob } from './job.ts'

export interface JobFilter {
  service?: string
  method?: string
  states?: readonly JobState[]
  limit: number
  /** The `nextCursor` of the page before. */
  cursor?: string
}

export interface JobPage {
  items: Job[]
  nextCursor: string | null
}

export type JobOutcome =
  | { state: 'succeeded'; result: string }
  | { state: 'failed' | 'cancelled' | 'expired'; error: JobError }

/** What makes two requests the same one. */
export interface Idempotency {
  /** Token, service, method and key. */
  scope: string
  /** Of the canonical payload and the options. */
  fingerprint: string
  /** When the key is forgotten, in milliseconds since the epoch. */
  expiresAt: number
}

/** A cast by the clock. Times are milliseconds since the epoch. */
export interface Schedule {
  service: string
  name: string
  cron: string
  timezone: string
  method: string
  payload: unknown
  createdAt: number
  lastTickAt: number | null
}

/** The tick of a schedule that a job stands for. */
export interface Tick {
  service: string
  name: string
  at: number
}

export interface AcceptRequest extends NewJob {
  /** Kept in the same transaction as the job. */
  tick: Tick | undefined
  idempotency: Idempotency | undefined
  /** The first attempt begins at once, in the same transaction. */
  begin: boolean
}

export type Accepted =
  | { kind: 'new'; job: Job; keyExpiresAt: number | undefined }
  /** The key was used before, with the same payload: the first job. */
  | { kind: 'duplicate'; job: Job; keyExpiresAt: number }
  /** The key was used before, with another payload. */
  | { kind: 'mismatch'; jobId: string }

/** An attempt that is on disk as begun: what it takes to run it. */
export interface OpenAttempt extends Pick<NewJob, 'id' | 'method' | 'payload' | 'priority' | 'traceparent'> {
  number: number
  maxAttempts: number
  /** Not begun after, in milliseconds since the epoch. */
  expiresAt: number | null
  /** What the attempt before it ended with. */
  lastError: JobError | null
}

export interface JobStore {
  /** All in one transaction. @throws JOURNAL_UNAVAILABLE */
  accept(requests: AcceptRequest[]): Promise<Accepted[]>
  get(id: string): Promise<Job | undefined>
  /** Newest first. */
  list(filter: JobFilter): Promise<JobPage>
  /**
   * Begins an attempt of each of the jobs of a service that are due, highest priority first: they are `running`, and
   * `attempts` counts it. Not more than `limit`, and none any more once their payloads are `bytes` together.
   */
  take(service: string, limit: number, bytes: number): Promise<OpenAttempt[]>
  /** When the next scheduled job of a service is due, in milliseconds since the epoch. */
  nextDueAt(service: string): Promise<number | undefined>
  /** An attempt that was never begun by the thread goes back to the queue, uncounted. */
  release(id: string, attempt: number): Promise<void>
  /** An attempt failed and another follows at `notBefore`. False where the attempt is not the present one. */
  retry(id: string, attempt: number, error: JobError, notBefore: Date): Promise<boolean>
  /** The one outcome of a job. `attempt` fences off the late result of an abandoned one: false. */
  finish(id: string, attempt: number, outcome: JobOutcome): Promise<boolean>
  /** Kept in memory only, and not awaited. */
  progress(id: string, attempt: number, progress: JobProgress): void
  /** Ends waiting jobs whose `expiresAt` has passed, and says which; none when there are no more. */
  expire(): Promise<string[]>
  /** A finished job is queued again, its attempts counted anew; its history is kept. */
  requeue(id: string): Promise<Job>
  /** Requeues up to `limit` jobs of a service that had failed by then, and says how many. */
  requeueFailed(service: string, limit: number, failedBy: number): Promise<number>
  /** @throws CONFLICT while an idempotency key still points at it */
  remove(id: string): Promise<void>
  /** Cancels up to `limit` jobs of a service that wait, and says which. */
  cancelWaiting(service: string, limit: number): Promise<string[]>
  /** Ids of unfinished jobs of a service, not more than `limit`. */
  unfinished(service: string, limit: number): Promise<string[]>
  countUnfinished(service: string): Promise<number>
  schedules(): Promise<Schedule[]>
  putSchedule(schedule: Schedule): Promise<void>
  removeSchedule(service: string, name: string): Promise<void>
  close(): Promise<void>
}
