/**
 * The job store that several servers share, in PostgreSQL. Each operation is one statement, so one transaction; new jobs
 * and outcomes that arrive together share one. This file is the methods of `JobStore`; the statements are in the files of
 * their topics.
 */
import { resolvesWithin } from '../async/deadline.ts'
import type { AuditFilter, AuditPage, AuditRow, AuditStore } from '../contract/audit.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { Job, JobError, JobProgress } from '../jobs/job.ts'
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
  ServiceCounts,
  StoredPayload,
  WaitingJob,
  Withdrawal,
} from '../jobs/job-store.ts'
import { KnownProgress } from '../jobs/known-progress.ts'
import { MAX_FINISHED_JOBS, type RetentionLimits } from '../jobs/store-limits.ts'
import type { StoreFigures } from '../jobs/store-figures.ts'
import { readAttemptLogs } from './attempt-logs.ts'
import { Database } from './database.ts'
import { unavailable } from './database-errors.ts'
import { failureGroups } from './failures.ts'
import { readJob } from './job-row.ts'
import type { Membership } from './membership.ts'
import { oldestQueued } from './oldest-queued.ts'
import { endLostAttempts, type LostAttempt } from './recovery.ts'
import { type NodeOptions, type StoreParts, storeParts } from './store-parts.ts'
import { timings } from './timings.ts'

export interface PgStoreOptions extends NodeOptions, Partial<RetentionLimits> {
  url: string
  /** The schema of the tables; it is made if there is none. */
  schema: string
  /** Connections for statements; the beat has one more. */
  connections: number
  keepJobsMs: number
  log: ServiceLog
}

export class PgStore implements JobStore, AuditStore {
  readonly database: Database
  readonly #parts: StoreParts
  readonly #progress = new KnownProgress()
  /** Operations whose answers are still to come. */
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  private constructor(database: Database, options: PgStoreOptions) {
    const { log, keepJobsMs, maxFinishedJobs } = options
    this.database = database
    const limits = { keepJobsMs, maxFinishedJobs: maxFinishedJobs ?? MAX_FINISHED_JOBS }
    this.#parts = storeParts(database, options, limits, log)
  }

  /**
   * Connects, brings the tables up to date, adds the row of this node, and ends the attempts of nodes that have left.
   * @throws if the database cannot be used
   */
  static async open(options: PgStoreOptions): Promise<PgStore> {
    const { url, schema, connections, node, log } = options
    const applicationName = `threadplane ${node.id}`
    const database = await Database.open({ url, schema, connections, applicationName, log })
    try {
      const store = new PgStore(database, options)
      await database.start(store.#parts.membership)
      const recovered = await endLostAttempts(database.run)
      if (recovered.length > 0) log.warn(`${recovered.length} attempts had been under way in servers that have ended`)
      store.#parts.upkeep.start()
      return store
    } catch (error) {
      await database.close()
      throw error
    }
  }

  /** This node among the others. */
  get membership(): Membership {
    return this.#parts.membership
  }

  /** Calls the listener with attempts that have ended, as the nodes that ran them have gone. */
  onRecovered(listener: (attempts: LostAttempt[]) => void): void {
    this.#parts.upkeep.onRecovered = listener
  }

  get isWritable(): boolean {
    return this.#closing === undefined && this.database.isWritable
  }

  /** Operations that wait for their answers. */
  get waiting(): number {
    return this.#underWay.size
  }

  /** What was measured since the store was opened. */
  get figures(): StoreFigures | undefined {
    return this.#parts.meter.figures
  }

  /** Forgets old jobs now, as is done by the clock. Answers the number of transactions but the last ones. */
  retain(): Promise<number> {
    return this.#parts.upkeep.retain()
  }

  async #do<T>(operation: (parts: StoreParts) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw unavailable('the store is closed')
    const answer = operation(this.#parts)
    this.#underWay.add(answer)
    try {
      return await answer
    } finally {
      this.#underWay.delete(answer)
    }
  }

  accept(requests: AcceptRequest[]): Promise<Accepted[]> {
    return this.#do(({ acceptance }) => acceptance.accept(requests))
  }

  async get(id: string): Promise<Job | undefined> {
    const job = await this.#do(({ run }) => readJob(run, id))
    return job && this.#progress.shownIn(job)
  }

  async list(filter: JobFilter): Promise<JobPage> {
    const page = await this.#do(({ lists }) => lists.list(filter))
    return { ...page, items: page.items.map((job) => this.#progress.shownIn(job)) }
  }

  attemptLogs(id: string): Promise<string[]> {
    return this.#do(({ run }) => readAttemptLogs(run, id))
  }

  payload(id: string): Promise<StoredPayload | undefined> {
    return this.#do(({ lists }) => lists.payload(id))
  }

  counts(service?: string): Promise<ServiceCounts[]> {
    return this.#do(({ counts }) => counts.counts(service))
  }

  /** Counts a part of all jobs, the first part if `after` is `undefined`. */
  countJobs(after: CountedJob | undefined): Promise<CountedJobs> {
    return this.#do(({ counts }) => counts.part(after))
  }

  oldestQueued(): Promise<OldestQueued[]> {
    return this.#do(({ run, clock }) => oldestQueued(run, clock))
  }

  failures(limit: number, service?: string): Promise<FailureGroup[]> {
    return this.#do(({ run }) => failureGroups(run, limit, service))
  }

  take(service: string, limit: number, bytes: number): Promise<OpenAttempt[]> {
    return this.#do(({ taking }) => taking.take(service, limit, bytes))
  }

  nextDueAt(service: string): Promise<number> {
    return this.#do(({ taking }) => taking.nextDueAt(service))
  }

  release(id: string, attempt: number): Promise<boolean> {
    return this.#do(({ outcomes }) => outcomes.release(id, attempt))
  }

  retry(id: string, attempt: number, error: JobError, notBefore: Date, log?: string): Promise<boolean> {
    this.#progress.forget(id)
    return this.#do(({ outcomes }) => outcomes.retry(id, attempt, error, notBefore, log))
  }

  finish(id: string, attempt: number, outcome: JobOutcome): Promise<boolean> {
    this.#progress.forget(id)
    return this.#do(({ outcomes }) => outcomes.finish(id, attempt, outcome))
  }

  withdraw(id: string, attempt: number, withdrawal: Withdrawal): Promise<boolean> {
    this.#progress.forget(id)
    return this.#do(({ outcomes }) => outcomes.withdraw(id, attempt, withdrawal))
  }

  cancel(id: string): Promise<Job | undefined> {
    return this.#do(({ waiting }) => waiting.cancel(id))
  }

  runNow(id: string): Promise<Job | undefined> {
    return this.#do(({ waiting }) => waiting.runNow(id))
  }

  progress(id: string, attempt: number, progress: JobProgress): void {
    this.#progress.set(id, attempt, progress)
  }

  expire(): Promise<WaitingJob[]> {
    return this.#do(({ waiting }) => waiting.expire())
  }

  requeue(id: string): Promise<Job> {
    return this.#do(({ ended }) => ended.requeue(id))
  }

  requeueFailed(service: string, limit: number, failedBy: number): Promise<number> {
    return this.#do(({ ended, clock }) => ended.requeueFailed(service, limit, clock.toStore(failedBy)))
  }

  countMatching(filter: BulkFilter): Promise<number> {
    return this.#do(({ bulk }) => bulk.count(filter))
  }

  matching(filter: BulkFilter, limit: number, from?: BulkCursor): Promise<BulkPage> {
    return this.#do(({ bulk }) => bulk.page(filter, limit, from))
  }

  requeueAll(ids: string[]): Promise<string[]> {
    return this.#do(({ ended }) => ended.requeueAll(ids))
  }

  cancelSome(ids: string[]): Promise<string[]> {
    return this.#do(({ waiting }) => waiting.cancelSome(ids))
  }

  removeAll(ids: string[]): Promise<number> {
    return this.#do(({ ended }) => ended.removeAll(ids))
  }

  remove(id: string): Promise<void> {
    return this.#do(({ ended }) => ended.remove(id))
  }

  cancelWaiting(service: string, limit: number): Promise<WaitingJob[]> {
    return this.#do(({ waiting }) => waiting.cancelWaiting(service, limit))
  }

  unfinished(service: string, limit: number): Promise<string[]> {
    return this.#do(({ waiting }) => waiting.unfinished(service, limit))
  }

  countUnfinished(service: string): Promise<number> {
    return this.#do(({ waiting }) => waiting.countUnfinished(service))
  }

  /** Times in the tables are by the clock of the database, which was not set back: only the difference has changed. */
  clockSetBack(): Promise<void> {
    return this.#do(({ clock, run }) => clock.measure(run))
  }

  schedules(): Promise<Schedule[]> {
    return this.#do(({ schedules }) => schedules.all())
  }

  schedulePayloads(service: string, names: string[]): Promise<(string | null)[]> {
    return this.#do(({ schedules }) => schedules.payloads(service, names))
  }

  putSchedule(schedule: Omit<Schedule, 'lastTickAt'>, payload: string): Promise<Schedule> {
    return this.#do(({ schedules }) => schedules.put(schedule, payload))
  }

  removeSchedule(service: string, name: string): Promise<void> {
    return this.#do(({ schedules }) => schedules.remove(service, name))
  }

  audit(rows: AuditRow[]): Promise<void> {
    return this.#do(({ audit }) => audit.add(rows))
  }

  audits(filter: AuditFilter): Promise<AuditPage> {
    return this.#do(({ audit }) => audit.page(filter))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { upkeep, outcomes, membership, run, log } = this.#parts
    const answered = Promise.allSettled([...this.#underWay, upkeep.close()])
    if (!(await resolvesWithin(answered, timings.closeWithinMs)))
      log.warn('the store closes, and the database has not answered: attempts that have just ended may run again')
    outcomes.close()
    await membership.leave(run).catch(() => {})
    await this.database.close()
  }
}
