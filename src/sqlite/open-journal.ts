/**
 * The journal over an open database file: every operation by name, group commit, and retention. It runs in the journal's
 * process, and in tests without one.
 */
import { fromWireError } from '../contract/errors.ts'
import { JobAcceptance } from './accept.ts'
import { AttemptLogs } from './attempt-logs.ts'
import { AuditTable } from './audit.ts'
import { BulkChanges } from './bulk.ts'
import { JobCounts } from './counts.ts'
import { DatabaseFile } from './database-file.ts'
import { nextDueAt } from './due-jobs.ts'
import { Failures } from './failures.ts'
import { type Committed, GroupCommit } from './group-commit.ts'
import { JobLists } from './lists.ts'
import type { JournalOperations, JournalRequest } from './messages.ts'
import { oldestQueued } from './oldest-queued.ts'
import type { RetentionLimits } from '../jobs/store-limits.ts'
import { Retention } from './retention.ts'
import { ScheduleTable } from './schedules.ts'
import { JobTransitions } from './transitions.ts'
import { isDamage } from './storage-errors.ts'

/** Jobs that expire in one transaction. */
const EXPIRED_PER_TRANSACTION = 500

export class OpenJournal {
  readonly file: DatabaseFile
  readonly #retention: Retention
  readonly #failures: Failures
  readonly #audit: AuditTable
  /** Why the recovery cannot be written yet, if it cannot: the next commit repeats it. */
  readonly recoveryFailure: unknown = undefined
  readonly #groups: GroupCommit
  #recovered = 0

  /**
   * @param running the file whose attempts this process still runs, see `DatabaseFile.identity`; they are not recovered
   * @throws if the file cannot be opened or used
   */
  constructor(path: string, limits: RetentionLimits, running?: string) {
    this.file = new DatabaseFile(path)
    const lists = new JobLists(this.file)
    this.#failures = new Failures(this.file, lists)
    this.#audit = new AuditTable(this.file)
    const jobs = new JobTransitions(this.file, lists, this.#failures)
    this.#retention = new Retention(this.file, () => jobs.finishes, limits)
    this.#groups = new GroupCommit(this.file, this.#operations(jobs, lists))
    if (this.file.identity === running) return
    // No attempt begins before those of the last process are counted (P3). `recover` counts as an outcome: without room
    // on the disk it is postponed, and written before everything else.
    const { replies, failure } = this.commit([[0, 'recover', []]])
    const [, , refused] = replies[0] ?? []
    if (refused !== undefined) throw fromWireError(refused)
    if (isDamage(failure)) throw failure
    this.recoveryFailure = failure
  }

  /** Runs a group of operations in one transaction. */
  commit(requests: JournalRequest[]): Committed {
    return this.#groups.commit(requests)
  }

  /** Outcomes that could not be written. This journal does not write them any more. */
  takePostponed(): JournalRequest[] {
    return this.#groups.takePostponed()
  }

  /** How many jobs were recovered since this was last asked. */
  takeRecovered(): number {
    const recovered = this.#recovered
    this.#recovered = 0
    return recovered
  }

  /** What is done by the clock, in small steps: each step of the generator is one transaction. */
  *upkeep(): Generator<void> {
    yield* this.#failures.steps()
    yield* this.#audit.steps()
    yield* this.#retention.steps()
  }

  close(): void {
    this.file.close()
  }

  #operations(jobs: JobTransitions, lists: JobLists): JournalOperations {
    const acceptance = new JobAcceptance(this.file, (id) => jobs.get(id))
    const schedules = new ScheduleTable(this.file)
    const bulk = new BulkChanges(this.file, lists, jobs)
    const counts = new JobCounts(this.file)
    const logs = new AttemptLogs(this.file)
    const keepLog = (isEnded: boolean, id: string, attempt: number, log = '') => {
      if (isEnded && log !== '') logs.add(id, attempt, log)
      return isEnded
    }
    return {
      accept: (rows) => acceptance.accept(rows),
      get: (id) => jobs.get(id),
      list: (filter) => lists.list(filter),
      failures: (limit, service) => this.#failures.groups(limit, service),
      payload: (id) => lists.payload(id),
      counts: (service) => counts.counts(service),
      oldestQueued: () => oldestQueued(this.file),
      take: (service, limit, bytes) => jobs.take(service, limit, bytes),
      nextDueAt: (service) => nextDueAt(this.file, service),
      release: (id, attempt) => jobs.release(id, attempt),
      retry: (id, attempt, error, notBefore, log) =>
        keepLog(jobs.retry(id, attempt, error, notBefore), id, attempt, log),
      finish: (id, attempt, outcome) =>
        keepLog(jobs.finish(id, attempt, outcome), id, attempt, outcome.state === 'failed' ? outcome.log : undefined),
      attemptLogs: (id) => logs.of(id),
      withdraw: (id, attempt, withdrawal) => jobs.withdraw(id, attempt, withdrawal),
      cancel: (id) => jobs.cancel(id),
      runNow: (id) => jobs.runNow(id),
      expire: () => jobs.expire(EXPIRED_PER_TRANSACTION),
      requeue: (id) => jobs.requeue(id),
      requeueFailed: (service, limit, failedBy) => jobs.requeueFailed(service, limit, failedBy),
      remove: (id) => jobs.remove(id),
      countMatching: (filter) => bulk.count(filter),
      matching: (filter, limit, from) => bulk.page(filter, limit, from),
      requeueAll: (ids) => bulk.requeueAll(ids),
      cancelSome: (ids) => bulk.cancelSome(ids),
      removeAll: (ids) => bulk.removeAll(ids),
      cancelWaiting: (service, limit) => jobs.cancelWaiting(service, limit),
      unfinished: (service, limit) => lists.unfinished(service, limit),
      countUnfinished: (service) => lists.countUnfinished(service),
      countJobs: (after) => lists.count(after),
      clockSetBack: (byMs, since) => jobs.clockSetBack(byMs, since),
      schedules: () => schedules.all(),
      schedulePayloads: (service, names) => schedules.payloads(service, names),
      putSchedule: (schedule, payload) => schedules.put(schedule, payload),
      removeSchedule: (service, name) => schedules.remove(service, name),
      audit: (rows) => this.#audit.add(rows),
      audits: (filter) => this.#audit.page(filter),
      recover: () => {
        this.#recovered = jobs.recover()
      },
    }
  }
}
