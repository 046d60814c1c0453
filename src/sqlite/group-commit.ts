/**
 * Group commit: everything that arrived while one transaction was flushed is the next one (P2). Outcomes that could
 * not be written are kept, and written before anything that came after them.
 */
import { ThreadplaneError, toWireError, type WireError } from '../contract/errors.ts'
import type { JournalFile } from './database-file.ts'
import {
  type AcceptRow,
  type JournalOperation,
  type JournalOperations,
  type JournalReply,
  type JournalRequest,
  OUTCOMES,
} from './messages.ts'
import { isUnavailable, whyUnavailable } from './trouble.ts'

/** Outcomes that are kept until they can be written. */
const MAX_KEPT = 100_000
/** These go on while nothing can be written. */
const WRITES_NOTHING = new Set<JournalOperation>([
  'get',
  'list',
  'nextDueAt',
  'unfinished',
  'countUnfinished',
  'schedules',
])

export interface Committed {
  replies: JournalReply[]
  /** Why not everything could be written. */
  failure?: unknown
}

export class GroupCommit {
  readonly #file: JournalFile
  readonly #operations: JournalOperations
  #kept: JournalRequest[] = []

  constructor(file: JournalFile, operations: JournalOperations) {
    this.#file = file
    this.#operations = operations
  }

  /** Runs what is kept, and then what has arrived; what is kept from now on is answered by a later commit. */
  commit(arrived: JournalRequest[]): Committed {
    const committed: Committed = { replies: [] }
    const kept = this.#kept
    this.#kept = []
    for (const group of [kept, arrived]) {
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

  #write(group: JournalRequest[], replies: JournalReply[]): void {
    for (const reply of this.#writeTogether(group) ?? this.#writeIsolated(group)) replies.push(reply)
  }

  /** A savepoint costs two statements more: operations get one each only where one of the group has failed without. */
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

  /** Casts that arrived together are a few statements of many rows. Nothing else of the group can mean one of them yet. */
  #acceptTogether(group: JournalRequest[]): JournalReply[] {
    const accepts = group.filter(([, operation]) => operation === 'accept') as [number, 'accept', [AcceptRow[]]][]
    const rows = accepts.flatMap(([, , [some]]) => some)
    const accepted = this.#operations.accept(rows)
    let at = 0
    return accepts.map(([id, , [some]]) => {
      at += some.length
      return [id, accepted.slice(at - some.length, at)]
    })
  }

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

  /** What happened already is kept and written as soon as it can be, what only reads is answered; all else is refused. */
  #refuse(group: JournalRequest[], why: string, replies: JournalReply[]): void {
    const error = refusal(why)
    for (const request of group) {
      const [id, operation] = request
      if (OUTCOMES.has(operation) && this.#kept.length < MAX_KEPT) this.#kept.push(request)
      else if (WRITES_NOTHING.has(operation)) replies.push(this.#answer(request, error))
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
  return toWireError(new ThreadplaneError('JOURNAL_UNAVAILABLE', detail, { retryAfterSeconds: 5 }))
}
