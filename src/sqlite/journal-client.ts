/**
 * The methods of a `JobStore` as operations of the journal. `Journal` sends each operation to the journal's process; tests
 * run them in their own thread.
 */
import type { AuditFilter, AuditPage, AuditRow, AuditStore } from '../contract/audit.ts'
import { type Job, type JobError, type JobProgress, newJobRecord } from '../jobs/job.ts'
import type {
  Accepted,
  AcceptRequest,
  BulkCursor,
  BulkFilter,
  BulkPage,
  CountedJob,
  CountedJobs,
  FailureGroup,
  JobFilter,
  JobOutcome,
  JobPage,
  JobStore,
  OldestQueued,
  OpenAttempt,
  Schedule,
  WaitingJob,
  ServiceCounts,
  StoredPayload,
  Withdrawal,
} from '../jobs/job-store.ts'
import { KnownProgress } from '../jobs/known-progress.ts'
import { type JournalOperation, type JournalOperations, toAcceptRow, toOpenAttempt } from './messages.ts'

export abstract class JournalClient implements JobStore, AuditStore {
  readonly #progress = new KnownProgress()

  abstract readonly isWritable: boolean

  /** Asks the journal to run an operation. @throws JOURNAL_UNAVAILABLE */
  protected abstract ask<Operation extends JournalOperation>(
    operation: Operation,
    ...args: Parameters<JournalOperations[Operation]>
  ): Promise<ReturnType<JournalOperations[Operation]>>

  abstract close(): Promise<void>

  async accept(requests: AcceptRequest[]): Promise<Accepted[]> {
    const accepted = await this.ask('accept', requests.map(toAcceptRow))
    return accepted.map((answer, index) => {
      if (!Array.isArray(answer)) return answer
      const [state, begunAt, keyExpiresAt] = answer
      return { kind: 'new', job: newJobRecord(requests[index] as AcceptRequest, state, begunAt), keyExpiresAt }
    })
  }

  async get(id: string): Promise<Job | undefined> {
    const job = await this.ask('get', id)
    return job && this.#progress.shownIn(job)
  }

  async list(filter: JobFilter): Promise<JobPage> {
    const page = await this.ask('list', filter)
    return { ...page, items: page.items.map((job) => this.#progress.shownIn(job)) }
  }

  payload(id: string): Promise<StoredPayload | undefined> {
    return this.ask('payload', id)
  }

  attemptLogs(id: string): Promise<string[]> {
    return this.ask('attemptLogs', id)
  }

  counts(service?: string): Promise<ServiceCounts[]> {
    return this.ask('counts', service)
  }

  oldestQueued(): Promise<OldestQueued[]> {
    return this.ask('oldestQueued')
  }

  failures(limit: number, service?: string): Promise<FailureGroup[]> {
    return this.ask('failures', limit, service)
  }

  async take(service: string, limit: number, bytes: number): Promise<OpenAttempt[]> {
    return (await this.ask('take', service, limit, bytes)).map(toOpenAttempt)
  }

  nextDueAt(service: string): Promise<number | undefined> {
    return this.ask('nextDueAt', service)
  }

  release(id: string, attempt: number): Promise<boolean> {
    return this.ask('release', id, attempt)
  }

  retry(id: string, attempt: number, error: JobError, notBefore: Date, log?: string): Promise<boolean> {
    this.#progress.forget(id)
    return this.ask('retry', id, attempt, error, notBefore.getTime(), log)
  }

  finish(id: string, attempt: number, outcome: JobOutcome): Promise<boolean> {
    this.#progress.forget(id)
    return this.ask('finish', id, attempt, outcome)
  }

  withdraw(id: string, attempt: number, withdrawal: Withdrawal): Promise<boolean> {
    this.#progress.forget(id)
    return this.ask('withdraw', id, attempt, withdrawal)
  }

  cancel(id: string): Promise<Job | undefined> {
    return this.ask('cancel', id)
  }

  runNow(id: string): Promise<Job | undefined> {
    return this.ask('runNow', id)
  }

  progress(id: string, attempt: number, progress: JobProgress): void {
    this.#progress.set(id, attempt, progress)
  }

  expire(): Promise<WaitingJob[]> {
    return this.ask('expire')
  }

  requeue(id: string): Promise<Job> {
    return this.ask('requeue', id)
  }

  requeueFailed(service: string, limit: number, failedBy: number): Promise<number> {
    return this.ask('requeueFailed', service, limit, failedBy)
  }

  remove(id: string): Promise<void> {
    return this.ask('remove', id)
  }

  countMatching(filter: BulkFilter): Promise<number> {
    return this.ask('countMatching', filter)
  }

  matching(filter: BulkFilter, limit: number, from?: BulkCursor): Promise<BulkPage> {
    return this.ask('matching', filter, limit, from)
  }

  requeueAll(ids: string[]): Promise<string[]> {
    return this.ask('requeueAll', ids)
  }

  cancelSome(ids: string[]): Promise<string[]> {
    return this.ask('cancelSome', ids)
  }

  removeAll(ids: string[]): Promise<number> {
    return this.ask('removeAll', ids)
  }

  cancelWaiting(service: string, limit: number): Promise<WaitingJob[]> {
    return this.ask('cancelWaiting', service, limit)
  }

  unfinished(service: string, limit: number): Promise<string[]> {
    return this.ask('unfinished', service, limit)
  }

  countUnfinished(service: string): Promise<number> {
    return this.ask('countUnfinished', service)
  }

  /** Counts a part of all jobs, the first part if `after` is `undefined`. */
  countJobs(after: CountedJob | undefined): Promise<CountedJobs> {
    return this.ask('countJobs', after)
  }

  clockSetBack(byMs: number, since: number): Promise<void> {
    return this.ask('clockSetBack', byMs, since)
  }

  schedules(): Promise<Schedule[]> {
    return this.ask('schedules')
  }

  schedulePayloads(service: string, names: string[]): Promise<(string | null)[]> {
    return this.ask('schedulePayloads', service, names)
  }

  putSchedule(schedule: Omit<Schedule, 'lastTickAt'>, payload: string): Promise<Schedule> {
    return this.ask('putSchedule', schedule, payload)
  }

  removeSchedule(service: string, name: string): Promise<void> {
    return this.ask('removeSchedule', service, name)
  }

  audit(rows: AuditRow[]): Promise<void> {
    return this.ask('audit', rows)
  }

  audits(filter: AuditFilter): Promise<AuditPage> {
    return this.ask('audits', filter)
  }
}
