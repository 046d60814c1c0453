/**
 * Group commit: all operations that arrived while one transaction was flushed form the next transaction (P2). Outcomes
 * that cannot be written are postponed, and written before all operations that arrived after them.
 */
import { RETRY_AFTER_SECONDS, ThreadplaneError, toWireError, type WireError } from '../contract/errors.ts'
import type { DatabaseFile } from './database-file.ts'
import {
  type AcceptRow,
  type JournalOperation,
  type JournalOperations,
  type JournalReply,
  type JournalRequest,
  OUTCOMES,
} from './messages.ts'
import { isUnavailable, whyUnavailable } from './storage-errors.ts'

const MAX_POSTPONED = 100_000
/** These operations only read: they are answered while nothing can be written. */
const READS = new Set<JournalOperation>([
  'get',
  'list',
  'payload',
  'attemptLogs',
  'counts',
  'oldestQueued',
  'failures',
  'countMatching',
  'matching',
  'nextDueAt',
  'unfinished',
  'countUnfinished',
  'countJobs',
  'schedules',
  'schedulePayloads',
  'audits',
])

export interface Committed {
  replies: JournalReply[]
  /** The error because of which nothing more could be written. */
  failure?: unknown
}

export class GroupCommit {
  readonly #file: DatabaseFile
  readonly #operations: JournalOperations
  /** Outcomes that could not be written yet. */
  #postponed: JournalRequest[] = []

  constructor(file: DatabaseFile, operations: JournalOperations) {
    this.#file = file
    this.#operations = operations
  }

  /** Runs postponed operations, then those that have arrived. An operation that is postponed is answered by a later commit. */
  commit(arrived: JournalRequest[]): Committed {
    const committed: Committed = { replies: [] }
    for (const group of [this.takePostponed(), arrived]) {
      if (group.length === 0) continue
      try {
        if ('failure' in committed) throw committed.failure
        this.#write(group, committed.replies)
      } catch (error) {
        committed.failure = error
        this.#file.rollback()
        this.#refuse(group, whyUnavailable(error), committed.replies)
      }
    }
    return committed
  }

  /** The outcomes that are postponed. They are no longer this object's. */
  takePostponed(): JournalRequest[] {
    const postponed = this.#postponed
    this.#postponed = []
    return postponed
  }

  #write(group: JournalRequest[], replies: JournalReply[]): void {
    for (const reply of this.#writeTogether(group) ?? this.#writeIsolated(group)) replies.push(reply)
  }

  /** Without savepoints, which cost two statements each. `undefined` if an operation failed: nothing was done. */
  #writeTogether(group: JournalRequest[]): JournalReply[] | undefined {
    this.#file.begin()
    try {
      const replies = this.#acceptTogether(group)
      for (const request of group) if (request[1] !== 'accept') replies.push([request[0], this.#call(request)])
      this.#file.commit()
      return replies
    } catch (error) {
      if (isUnavailable(error)) throw error
      this.#file.rollback()
      return undefined
    }
  }

  /**
   * Accepts all new jobs of the group with few statements. They may come before the other operations: none of those can
   * be about a job that is not acknowledged yet.
   */
  #acceptTogether(group: JournalRequest[]): JournalReply[] {
    const accepts = group.filter(([, operation]) => operation === 'accept') as [number, 'accept', [AcceptRow[]]][]
    const rows = accepts.flatMap(([, , [rows]]) => rows)
    const accepted = this.#operations.accept(rows)
    let at = 0
    return accepts.map(([id, , [rows]]) => {
      at += rows.length
      return [id, accepted.slice(at - rows.length, at)]
    })
  }

  /** Each operation in a savepoint of its own: one that fails is refused alone. */
  #writeIsolated(group: JournalRequest[]): JournalReply[] {
    this.#file.begin()
    const replies = group.map((request) => this.#run(request))
    this.#file.commit()
    return replies
  }

  #run(request: JournalRequest): JournalReply {
    const [id] = request
    try {
      return [id, this.#file.isolated(() => this.#call(request))]
    } catch (error) {
      if (isUnavailable(error) || !this.#file.inTransaction) throw error
      return [id, undefined, toWireError(error)]
    }
  }

  #call([, operation, args]: JournalRequest): unknown {
    return (this.#operations[operation] as (...args: unknown[]) => unknown)(...args)
  }

  /** Nothing can be written: postpones outcomes, answers reads, and refuses all other operations. */
  #refuse(group: JournalRequest[], why: string, replies: JournalReply[]): void {
    const error = refusal(why)
    for (const request of group) {
      const [id, operation] = request
      if (OUTCOMES.has(operation) && this.#postponed.length < MAX_POSTPONED) this.#postponed.push(request)
      else if (READS.has(operation)) replies.push(this.#answer(request, error))
      else replies.push([id, undefined, error])
    }
  }

  #answer(request: JournalRequest, error: WireError): JournalReply {
    const [id] = request
    try {
      return [id, this.#call(request)]
    } catch {
      return [id, undefined, error]
    }
  }
}

export function refusal(why: string): WireError {
  const detail = `the journal cannot be written: ${why}`
  return toWireError(new ThreadplaneError('JOURNAL_UNAVAILABLE', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS }))
}
