/**
 * Where jobs are kept. The dispatcher knows this interface only; every method resolves once what it did is on disk
 * (P2), to the job as it then is.
 */
import type { Job, JobError, JobProgress, JobState } from './job.ts'

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

export interface AcceptRequest {
  job: Job
  /** Kept in the same transaction as the job. */
  tick?: Tick
  idempotency?: Idempotency
  /** The first attempt begins at once, in the same transaction. */
  begin: boolean
}

export type Accepted =
  | { kind: 'new'; job: Job; keyExpiresAt?: number }
  /** The key was used before, with the same payload: the first job. */
  | { kind: 'duplicate'; job: Job; keyExpiresAt: number }
  /** The key was used before, with another payload. */
  | { kind: 'mismatch'; jobId: string }

export interface JobStore {
  /** All in one transaction. @throws JOURNAL_UNAVAILABLE */
  accept(requests: AcceptRequest[]): Promise<Accepted[]>
  get(id: string): Promise<Job | undefined>
  /** Newest first. */
  list(filter: JobFilter): Promise<JobPage>
  /** Queued jobs of a service, highest priority first, not more than `limit`; those due by now are queued first. */
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
