/**
 * Changes of many jobs that a filter chooses. Runs in the journal's process, inside the transaction of a group; the caller
 * chooses so few jobs at a time that a transaction stays short. Each service, method and state is a range of one index.
 */
import { hasCode } from '../contract/errors.ts'
import { JOB_STATES, type JobState } from '../contract/states.ts'
import { isAccepted } from '../jobs/job-page.ts'
import type { BulkCursor, BulkFilter, BulkPage } from '../jobs/job-store.ts'
import { seqsOf } from './accepted-range.ts'
import type { DatabaseFile } from './database-file.ts'
import type { JobLists } from './lists.ts'
import type { JobTransitions } from './transitions.ts'

/** Services and methods without a matching job that one step may look at. */
const MAX_EMPTY_RANGES = 1_000

interface Found {
  seq: number
  id: string
  createdAt: number
}

export class BulkChanges {
  readonly #file: DatabaseFile
  readonly #lists: JobLists
  readonly #jobs: JobTransitions

  constructor(file: DatabaseFile, lists: JobLists, jobs: JobTransitions) {
    this.#file = file
    this.#lists = lists
    this.#jobs = jobs
  }

  /** Reads indexes alone. */
  count(filter: BulkFilter): number {
    const seqs = seqsOf(this.#file, filter)
    let count = 0
    for (const { service, method } of this.#kinds(filter)) {
      for (const state of filter.states) {
        const { from, values } = this.#range(filter, service, method, state)
        const sql = `SELECT count(*) AS count ${from} AND seq >= ? AND seq < ?`
        count += this.#file.get<{ count: number }>(sql, ...values, seqs.from, seqs.end)?.count ?? 0
      }
    }
    return count
  }

  page(filter: BulkFilter, limit: number, from?: BulkCursor): BulkPage {
    const seqs = seqsOf(this.#file, filter)
    const jobs: BulkPage['jobs'] = []
    let empty = 0
    let after = from
    for (const { service, method } of this.#kinds(filter, from)) {
      for (const state of JOB_STATES) {
        if (!filter.states.includes(state)) continue
        // The states before that of the cursor are through.
        if (after !== undefined && JOB_STATES.indexOf(state) < JOB_STATES.indexOf(after[2])) continue
        const wanted = limit - jobs.length
        const seq = after?.[2] === state ? after[3] : seqs.from - 1
        const found = this.#find(filter, [service, method, state, seq], seqs.end, wanted)
        for (const { id, createdAt } of found) {
          if (isAccepted(filter, createdAt)) jobs.push({ id, service, state })
        }
        const last = found.at(-1)
        if (last === undefined) empty += 1
        if (found.length === wanted || empty > MAX_EMPTY_RANGES) {
          return { jobs, next: [service, method, state, last?.seq ?? seq] }
        }
        after = undefined
      }
      after = undefined
    }
    return { jobs }
  }

  #find(filter: BulkFilter, [service, method, state, after]: BulkCursor, end: number, limit: number): Found[] {
    const { from, values } = this.#range(filter, service, method, state)
    const sql = `SELECT seq, id, createdAt FROM jobs WHERE seq IN (
      SELECT seq ${from} AND seq > ? AND seq < ? ORDER BY seq LIMIT ?) ORDER BY seq`
    return this.#file.all<Found>(sql, ...values, after, end, limit)
  }

  /** SQL of the jobs of one service, method and state, in an index. */
  #range(
    { errorKey }: BulkFilter,
    service: string,
    method: string,
    state: JobState,
  ): { from: string; values: string[] } {
    const kind = 'WHERE service = ? AND method = ?'
    return errorKey === undefined
      ? { from: `FROM jobs INDEXED BY jobsByState ${kind} AND state = ?`, values: [service, method, state] }
      : { from: `FROM failures INDEXED BY failuresByKey ${kind} AND errorKey = ?`, values: [service, method, errorKey] }
  }

  *#kinds({ service, method }: BulkFilter, from?: BulkCursor): Generator<{ service: string; method: string }> {
    for (const kind of this.#lists.kinds(service, from && { service: from[0], method: from[1] })) {
      if (method === undefined || kind.method === method) yield kind
    }
  }

  requeueAll(ids: string[]): string[] {
    return ids.filter((id) => this.#jobs.requeueIfEnded(id))
  }

  cancelSome(ids: string[]): string[] {
    return ids.filter((id) => this.#jobs.cancelIfWaiting(id))
  }

  removeAll(ids: string[]): number {
    return ids.filter((id) => this.#removeIfFree(id)).length
  }

  #removeIfFree(id: string): boolean {
    const finished = 'SELECT 1 FROM jobs WHERE id = ? AND finishedAt IS NOT NULL'
    if (this.#file.get(finished, id) === undefined) return false
    try {
      this.#jobs.remove(id)
      return true
    } catch (error) {
      if (hasCode(error, 'CONFLICT')) return false
      throw error
    }
  }
}
