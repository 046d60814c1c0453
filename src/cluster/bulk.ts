/**
 * Chooses jobs for a change of many. Each service, method and state is a range of one index, so a step costs what it
 * answers, however many jobs there are.
 */
import { JOB_STATES } from '../contract/states.ts'
import { isAccepted } from '../jobs/job-page.ts'
import type { BulkCursor, BulkFilter, BulkPage } from '../jobs/job-store.ts'
import { seqsOf } from './accepted-range.ts'
import type { JobKinds, Kind } from './job-kinds.ts'
import { type Run, statement } from './statement.ts'

/** Services and methods without a matching job that one step may look at. */
const MAX_EMPTY_RANGES = 200

const IN_STATE = 'FROM jobs WHERE service = $1 AND method = $2 AND state = $3 AND seq > $4 AND seq < $5'
const WITH_KEY = `FROM jobs WHERE service = $1 AND method = $2 AND state = 'failed' AND error_key = $3 AND seq > $4 AND seq < $5`

const COUNT_IN_STATE = statement('countInState', `SELECT count(*) AS count ${IN_STATE}`)
const COUNT_WITH_KEY = statement('countWithKey', `SELECT count(*) AS count ${WITH_KEY}`)
const FIND = (from: string) => `SELECT seq, id::text AS id, created_at AS "createdAt" ${from} ORDER BY seq LIMIT $6`
const FIND_IN_STATE = statement('findInState', FIND(IN_STATE))
const FIND_WITH_KEY = statement('findWithKey', FIND(WITH_KEY))
interface Found {
  seq: number
  id: string
  createdAt: number
}

export class BulkChoice {
  readonly #run: Run
  readonly #kinds: JobKinds

  constructor(run: Run, kinds: JobKinds) {
    this.#run = run
    this.#kinds = kinds
  }

  async count(filter: BulkFilter): Promise<number> {
    const seqs = await seqsOf(this.#run, filter)
    let count = 0
    for await (const { service, method } of this.#kindsOf(filter)) {
      for (const state of filter.states) {
        const asked = filter.errorKey === undefined ? COUNT_IN_STATE : COUNT_WITH_KEY
        const given = [service, method, filter.errorKey ?? state, seqs.from - 1, seqs.end]
        count += (await this.#run<{ count: number }>(asked, given)).rows[0]?.count ?? 0
      }
    }
    return count
  }

  async page(filter: BulkFilter, limit: number, from?: BulkCursor): Promise<BulkPage> {
    const seqs = await seqsOf(this.#run, filter)
    const jobs: BulkPage['jobs'] = []
    let empty = 0
    let after = from
    for await (const { service, method } of this.#kindsOf(filter, from)) {
      if (after !== undefined && (after[0] !== service || after[1] !== method)) after = undefined
      for (const state of JOB_STATES) {
        if (!filter.states.includes(state)) continue
        // The states before that of the cursor are through.
        if (after !== undefined && JOB_STATES.indexOf(state) < JOB_STATES.indexOf(after[2])) continue
        const wanted = limit - jobs.length
        const seq = after?.[2] === state ? after[3] : seqs.from - 1
        const found = await this.#find(filter, [service, method, state, seq], seqs.end, wanted)
        for (const { id, createdAt } of found) {
          if (isAccepted(filter, createdAt)) jobs.push({ id, service, state })
        }
        const last = found.at(-1)
        if (last === undefined) empty += 1
        if (found.length === wanted || empty > MAX_EMPTY_RANGES) {
          return { jobs, next: [service, method, state, last?.seq ?? seq] }
        }
      }
    }
    return { jobs }
  }

  async #find(
    { errorKey }: BulkFilter,
    [service, method, state, after]: BulkCursor,
    end: number,
    limit: number,
  ): Promise<Found[]> {
    const asked = errorKey === undefined ? FIND_IN_STATE : FIND_WITH_KEY
    return (await this.#run<Found>(asked, [service, method, errorKey ?? state, after, end, limit])).rows
  }

  async *#kindsOf({ service, method }: BulkFilter, from?: BulkCursor): AsyncGenerator<Kind> {
    for await (const kind of this.#kinds.of(service, from && { service: from[0], method: from[1] })) {
      if (method === undefined || kind.method === method) yield kind
    }
  }
}
