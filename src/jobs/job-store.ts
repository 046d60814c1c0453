/**
 * The place where jobs and schedules are stored. The dispatcher, its feeds and attempts, and the schedules know only
 * this interface. Every implementation must promise the following, because these callers rely on it:
 *
 * - **Durable.** A method that changes something resolves only after the change is flushed (P2). `progress` is the one
 *   exception.
 * - **Atomic.** Each method is one transaction: other operations see all of its changes or none.
 * - **One order.** Each operation takes effect at one moment between its call and its answer, and sees everything that
 *   was answered before its call. The *answers* of concurrent operations may arrive in any order.
 * - **Fenced by attempt number (P3).** `finish`, `withdraw`, `retry` and `release` name an attempt. They change the job
 *   only while it is `running` and its `attempts` is that number. Otherwise they change nothing and answer false.
 * - **Refusals.** These four record what has already happened, so the store does not refuse them while it cannot write:
 *   it keeps them and writes them before later operations; until then their promises stay pending. It may reject them
 *   with JOURNAL_UNAVAILABLE only when its limit for kept operations is reached, or when it is closed. Every other
 *   method may reject with JOURNAL_UNAVAILABLE at any time, and has then changed nothing. Only where the answer of a
 *   database was lost, it may have made the change all the same: the error says so, and the caller runs no attempt by it.
 * - **Recovery.** Before its first answer the store ends each attempt that it finds `running` with {@link SERVER_ENDED}.
 *   That attempt counts: the job waits for its next attempt, or has `failed` after its last one.
 * - **One dispatcher.** No other process changes the store's jobs without `nextDueAt` taking that into account.
 *
 * Times are milliseconds since the epoch by the clock of this process.
 */
import type { JobState } from '../contract/states.ts'
import type { Job, JobError, JobProgress, NewJob, StateCounts } from './job.ts'
import type { AcceptedRange } from './job-page.ts'

export interface JobFilter extends AcceptedRange {
  service?: string
  /** Only of these services: names, and beginnings of names with `*`. */
  names?: readonly string[]
  method?: string
  states?: readonly JobState[]
  /** Only jobs that are `failed` have one: with a key, no other job is listed. */
  errorKey?: string
  limit: number
  /** The `nextCursor` of the previous page. */
  cursor?: string
}

export interface JobPage {
  items: Job[]
  /** 1 to 15 decimal digits; `null` on the last page. Still valid when the last job of the page was removed. */
  nextCursor: string | null
}

/** How many jobs a service has in each state. */
export interface ServiceCounts {
  service: string
  counts: StateCounts
}

/** Since when the oldest job of a service waits that could run. */
export interface OldestQueued {
  service: string
  since: number
}

/** Where a count of jobs goes on. */
export type CountedJob = [service: string, method: string, state: JobState, seq: number]

/** How many jobs there are, of a part of all jobs; `next` if there are more. */
export interface CountedJobs {
  counts: [service: string, state: JobState, count: number][]
  next: CountedJob | undefined
}

/** What a job was cast with. */
export interface StoredPayload {
  service: string
  method: string
  /** JSON text; `null`: damaged. */
  payload: string | null
}

/** The `failed` jobs of a method whose errors have the same key, see `errorKeyOf`. `sampleJobId`: the newest one. */
export interface FailureGroup {
  key: string
  service: string
  method: string
  code: string
  name: string | null
  message: string
  count: number
  firstAt: number
  lastAt: number
  sampleJobId: string
}

/** Chooses jobs for a change of many. */
export interface BulkFilter extends AcceptedRange {
  service?: string
  method?: string
  states: readonly JobState[]
  /** Only jobs that are `failed` have one. */
  errorKey?: string
}

/** Where a selection goes on: the place of a job in the order of services, methods, states and acceptance. */
export type BulkCursor = [service: string, method: string, state: JobState, seq: number]

/** A step of a selection. Without `next` it was the last. */
export interface BulkPage {
  jobs: { id: string; service: string; state: JobState }[]
  next?: BulkCursor
}

/** How a job ends because its attempt has run. `log`: what the attempt has logged last, as lines of JSON. */
export type JobOutcome = { state: 'succeeded'; result: string } | { state: 'failed'; error: JobError; log?: string }

/** How a job ends because its attempt was aborted. */
export interface Withdrawal {
  state: 'cancelled' | 'expired'
  error: JobError
  /** Did the attempt begin in a thread? If not, the store does not count it. */
  begun: boolean
}

/** What makes two requests the same request. */
export interface Idempotency {
  /** Token, service, method and key. */
  scope: string
  /** Hash of the canonical payload and the options. */
  fingerprint: string
  /** When the key is forgotten. */
  expiresAt: number
}

/** Casts one job at each time that a cron expression names. */
export type ScheduleSource = 'http' | 'file'

export interface Schedule {
  service: string
  name: string
  cron: string
  timezone: string
  method: string
  /** Who has made it: a client, or `threadplane.json`. */
  source: ScheduleSource
  /** Size of its payload, which stays in the store until a job needs it. */
  payloadBytes: number
  /** Ticks count from here: when it was created, or last got another cron expression or time zone. */
  createdAt: number
  lastTickAt: number | null
}

/** The tick of a schedule that a job is cast for. */
export interface Tick {
  service: string
  name: string
  at: number
}

export interface AcceptRequest extends NewJob {
  /** Becomes the schedule's `lastTickAt` in the transaction that stores the job. */
  tick: Tick | undefined
  idempotency: Idempotency | undefined
  /** Asks the store to begin the first attempt in the transaction that stores the job. */
  begin: boolean
}

export type Accepted =
  /** `keyExpiresAt`: the time of the request's own idempotency key. */
  | { kind: 'new'; job: Job; keyExpiresAt: number | undefined }
  /** The key was used before, with the same fingerprint: the first job. */
  | { kind: 'duplicate'; job: Job; keyExpiresAt: number }
  /** The key was used before, with another fingerprint. */
  | { kind: 'mismatch'; jobId: string }

/** An attempt that is flushed as begun, with everything that is needed to run it. */
export interface OpenAttempt extends Pick<NewJob, 'id' | 'method' | 'payload' | 'priority' | 'traceparent'> {
  number: number
  maxAttempts: number
  /** The attempt must not begin in a thread after this time. */
  expiresAt: number | null
  /** The error of the previous attempt. */
  lastError: JobError | null
}

/** A job that has waited until now, in short. */
export type WaitingJob = Pick<Job, 'id' | 'service' | 'method' | 'attempts' | 'maxAttempts' | 'priority'>

export interface JobStore {
  /** False while no change can be made durable: each is rejected with JOURNAL_UNAVAILABLE. */
  readonly isWritable: boolean
  /**
   * Stores new jobs, all in one transaction, and answers in the order of the requests. A job with `begin` may be
   * answered as `running`: its attempt 1 is then begun, and the caller must run it. A store may decline `begin`: the
   * job is then `queued`, and the caller must not run it. A request with an idempotency key that is not forgotten yet
   * stores nothing; this also holds between two requests of one call. A rejected call has stored nothing.
   */
  accept(requests: AcceptRequest[]): Promise<Accepted[]>
  /** A job without its payload; `undefined` if there is none with this id. */
  get(id: string): Promise<Job | undefined>
  /** The payload of a job; `undefined` if there is no job with this id. */
  payload(id: string): Promise<StoredPayload | undefined>
  /** What the failed attempts of a job have logged last, in the order of the attempts. */
  attemptLogs(id: string): Promise<string[]>
  /**
   * The jobs of each service that has any, or of one, by state. Where there are many, the answer may be some seconds
   * old: this is the one answer that need not see every change before it.
   */
  counts(service?: string): Promise<ServiceCounts[]>
  /**
   * Of each service with jobs that are `queued`, or `scheduled` and due: when the one that was accepted first, of those
   * with the same priority, was accepted, or became due. The cost does not depend on the number of jobs.
   */
  oldestQueued(): Promise<OldestQueued[]>
  /** Failed jobs by their errors, at most `limit` groups: those with the newest failures, newest first. */
  failures(limit: number, service?: string): Promise<FailureGroup[]>
  /**
   * Jobs in the order of their acceptance, newest first. A page may be shorter than `limit` and not be the last. Where the
   * clock was set back, a range of times may leave out jobs of that time.
   */
  list(filter: JobFilter): Promise<JobPage>
  /**
   * Begins attempts of jobs of a service that are `queued`, or `scheduled` and due, and not expired: they become
   * `running`, and `attempts` counts them. Answers them by priority, 9 first, and within a priority in the order of
   * acceptance. Takes at most `limit`, and no more once their payloads together have reached `bytes`. A store that may
   * begin nothing at the moment takes none.
   */
  take(service: string, limit: number, bytes: number): Promise<OpenAttempt[]>
  /**
   * When `take` should be called next: now or earlier while jobs are due, else when the next scheduled job is due.
   * `undefined` if none is scheduled: `take` is then called after the next `accept`, `retry`, `release` or `requeue`
   * of this process. A store whose jobs change without this process must answer a time, so that it is asked again.
   */
  nextDueAt(service: string): Promise<number | undefined>
  /** Puts an attempt back that did not begin in a thread: the job is `queued` again, and the attempt is not counted. */
  release(id: string, attempt: number): Promise<boolean>
  /**
   * Ends an attempt with an error: the job is `scheduled` for `notBefore`, and the error is added to its history.
   * @param log as in {@link JobOutcome}
   */
  retry(id: string, attempt: number, error: JobError, notBefore: Date, log?: string): Promise<boolean>
  /** Ends an attempt and its job with the outcome of the attempt. */
  finish(id: string, attempt: number, outcome: JobOutcome): Promise<boolean>
  /**
   * Ends an attempt and its job without an outcome of the attempt, in one transaction: nothing can take the job between
   * the two. An attempt that did not begin is not counted, as with {@link release}.
   */
  withdraw(id: string, attempt: number, withdrawal: Withdrawal): Promise<boolean>
  /**
   * Cancels a job that is `scheduled` or `queued`. Changes no other job: only the process that runs an attempt ends it,
   * by `withdraw`. Answers the job as it is afterwards, or `undefined` if there is none with this id.
   */
  cancel(id: string): Promise<Job | undefined>
  /** Queues a job that is `scheduled`. Changes no other job. Answers as {@link cancel} does. */
  runNow(id: string): Promise<Job | undefined>
  /** Remembers in memory how far an attempt is, and shows it in its job while that attempt runs. */
  progress(id: string, attempt: number, progress: JobProgress): void
  /** Ends waiting jobs whose `expiresAt` has passed and answers them. None: there are no more. */
  expire(): Promise<WaitingJob[]>
  /**
   * Queues a `failed`, `cancelled` or `expired` job again and answers it. It gets as many attempts as it had at first;
   * attempt numbers and history continue. Changes no other job. @throws JOB_NOT_FOUND
   */
  requeue(id: string): Promise<Job>
  /**
   * Requeues at most `limit` jobs of a service that are `failed` and had failed at the time `failedBy`. Answers how many;
   * fewer than `limit` means that there are no more.
   */
  requeueFailed(service: string, limit: number, failedBy: number): Promise<number>
  /** How many jobs a filter chooses. */
  countMatching(filter: BulkFilter): Promise<number>
  /** Jobs that a filter chooses, at most `limit`, from the cursor on. A page may be empty and not be the last. */
  matching(filter: BulkFilter, limit: number, from?: BulkCursor): Promise<BulkPage>
  /** `requeue` of several jobs. Answers which of them are `queued` because of it; ids that it does not know are left out. */
  requeueAll(ids: string[]): Promise<string[]>
  /** `cancel` of several jobs. Answers which of them are `cancelled` because of it. */
  cancelSome(ids: string[]): Promise<string[]>
  /** `remove` of several finished jobs, without those whose idempotency key has not expired. Answers how many. */
  removeAll(ids: string[]): Promise<number>
  /** Forgets a job. @throws CONFLICT until its idempotency key has expired */
  remove(id: string): Promise<void>
  /**
   * Cancels at most `limit` jobs of a service that are `scheduled` or `queued`. Answers them; fewer than `limit`
   * means that there are no more.
   */
  cancelWaiting(service: string, limit: number): Promise<WaitingJob[]>
  /** Ids of at most `limit` jobs of a service that are `scheduled`, `queued` or `running`. */
  unfinished(service: string, limit: number): Promise<string[]>
  countUnfinished(service: string): Promise<number>
  /**
   * The clock was set back by `byMs`, at `since` by the new time or soon after. Jobs that waited before wait so much less
   * for their `notBefore` and `expiresAt`, so that the wait takes as long as it was to take.
   */
  clockSetBack(byMs: number, since: number): Promise<void>
  /** All schedules. The cost does not depend on the size of their payloads. */
  schedules(): Promise<Schedule[]>
  /** The payloads of schedules of a service, as JSON text, in the order of the names; `null`: missing, or damaged. */
  schedulePayloads(service: string, names: string[]): Promise<(string | null)[]>
  /**
   * Stores a schedule and its payload, in place of one with the same service and name, and answers it. The `lastTickAt` of
   * that one is kept, and its `createdAt` too if cron expression and time zone are the same.
   */
  putSchedule(schedule: Omit<Schedule, 'lastTickAt'>, payload: string): Promise<Schedule>
  removeSchedule(service: string, name: string): Promise<void>
  /** Resolves after everything asked before was answered. Everything asked later rejects with JOURNAL_UNAVAILABLE. */
  close(): Promise<void>
}
