/**
 * Lists and counts of jobs. Each combination of service, method and state is a range of one index, so a list costs what
 * it returns, however many jobs there are.
 */
import type { JobState } from '../contract/states.ts'
import type { CountedJob, CountedJobs, JobFilter, JobPage, StoredPayload } from '../jobs/job-store.ts'
import type { DatabaseFile } from './database-file.ts'
import { fitting, isAccepted, isNamed, type JobSize, listedStates } from '../jobs/job-page.ts'
import type { StoredJob } from '../jobs/stored-job.ts'
import { seqsOf } from './accepted-range.ts'
import { readJob } from './job-row.ts'

/** How much a job adds to a page; SQLite knows the length of a text without reading it. */
const SIZE = `seq, coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0) + octet_length(history) AS bytes`

const NEWEST = 'AND seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?'
const IN_STATE = `SELECT ${SIZE} FROM jobs INDEXED BY jobsByState WHERE service = ? AND method = ? AND state = ? ${NEWEST}`
const WITH_KEY = `SELECT ${SIZE} FROM jobs WHERE seq IN (
  SELECT seq FROM failures INDEXED BY failuresByKey WHERE service = ? AND method = ? AND errorKey = ? ${NEWEST})`

/** Jobs that are counted at a time: that takes a few milliseconds. */
const COUNTED_AT_A_TIME = 20_000

interface Kind {
  service: string
  method: string
}

export class JobLists {
  readonly #file: DatabaseFile

  constructor(file: DatabaseFile) {
    this.#file = file
  }

  /** Newest first: merges the ranges of all wanted combinations. */
  list(filter: JobFilter): JobPage {
    const { service, names, method, states, errorKey, limit, cursor } = filter
    const { from, end } = seqsOf(this.#file, filter)
    const before = cursor === undefined ? end : Math.min(end, Number(cursor))
    const isAny = service === undefined && names === undefined && method === undefined && errorKey === undefined
    let rows: JobSize[] = []
    if (isAny && states === undefined) {
      const sql = `SELECT ${SIZE} FROM jobs WHERE seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?`
      rows = this.#file.all<JobSize>(sql, from, before, limit + 1)
    } else {
      const sql = errorKey === undefined ? IN_STATE : WITH_KEY
      /** An older job is not on the page: so of many ranges few jobs are read. */
      let oldest = from
      for (const kind of this.kinds(service)) {
        if (method !== undefined && kind.method !== method) continue
        if (names !== undefined && !names.some((name) => isNamed(kind.service, name))) continue
        for (const each of listedStates(states, errorKey)) {
          const value = errorKey ?? each
          const found = this.#file.all<JobSize>(sql, kind.service, kind.method, value, oldest, before, limit + 1)
          if (found.length === 0) continue
          rows = [...rows, ...found].sort((a, b) => b.seq - a.seq).slice(0, limit + 1)
          if (rows.length > limit) oldest = rows.at(-1)?.seq ?? oldest
        }
      }
    }
    const shown = rows.slice(0, fitting(rows, limit))
    const last = rows.length > shown.length ? shown.at(-1) : undefined
    // The number of the job, not its id: the job may be removed before the next page is asked for.
    const nextCursor = last === undefined ? null : String(last.seq)
    const jobs = shown.flatMap(({ seq }) => readJob(this.#file, 'seq = ?', seq) ?? [])
    return { items: jobs.filter((job) => isAccepted(filter, Date.parse(job.createdAt))), nextCursor }
  }

  payload(id: string): StoredPayload | undefined {
    const sql = `SELECT service, method, payload FROM jobs LEFT JOIN payloads ON payloads.seq = jobs.seq WHERE id = ?`
    return this.#file.get<StoredPayload>(sql, id)
  }

  /** The services and methods that have jobs, in order. It jumps from one to the next in the index. */
  *kinds(only?: string, from?: Kind): Generator<Kind> {
    const { get } = this.#file
    let service = only ?? from?.service ?? get<{ service: string }>('SELECT min(service) AS service FROM jobs')?.service
    while (typeof service === 'string') {
      const next = 'SELECT min(method) AS method FROM jobs INDEXED BY jobsByState WHERE service = ? AND method > ?'
      if (service === from?.service) yield from
      const first = service === from?.service ? from.method : ''
      let method = get<{ method: string | null }>(next, service, first)?.method
      while (typeof method === 'string') {
        yield { service, method }
        method = get<{ method: string | null }>(next, service, method)?.method
      }
      if (only !== undefined) return
      const sql = 'SELECT min(service) AS service FROM jobs INDEXED BY jobsByState WHERE service > ?'
      service = get<{ service: string }>(sql, service)?.service
    }
  }

  /** The oldest jobs in a state, at most `limit` of each service and method. */
  inState(state: JobState, limit: number, only?: string): Pick<StoredJob, 'id' | 'attempts' | 'maxAttempts'>[] {
    const sql = `SELECT id, attempts, maxAttempts FROM jobs INDEXED BY jobsByState
      WHERE service = ? AND method = ? AND state = ? ORDER BY seq LIMIT ?`
    return [...this.kinds(only)].flatMap(({ service, method }) =>
      this.#file.all<StoredJob>(sql, service, method, state, limit),
    )
  }

  unfinished(service: string, limit: number): string[] {
    return (['scheduled', 'queued', 'running'] as const)
      .flatMap((state) => this.inState(state, limit, service).map(({ id }) => id))
      .slice(0, limit)
  }

  /** Counts a part of all jobs by service and state: to count a million of them at once would delay all operations. */
  count(after: CountedJob = ['', '', 'cancelled', 0]): CountedJobs {
    const groups = this.#file.tuples<[...CountedJob, count: number]>(
      `SELECT service, method, state, max(seq), count(*) FROM (
          SELECT service, method, state, seq FROM jobs INDEXED BY jobsByState
          WHERE (service, method, state, seq) > (?, ?, ?, ?) ORDER BY service, method, state, seq LIMIT ?)
        GROUP BY service, method, state ORDER BY service, method, state`,
      ...after,
      COUNTED_AT_A_TIME,
    )
    const [service, method, state, seq] = groups.at(-1) ?? []
    const isLast = groups.reduce((sum, [, , , , count]) => sum + count, 0) < COUNTED_AT_A_TIME
    return {
      counts: groups.map(([service, , state, , count]) => [service, state, count]),
      next: isLast ? undefined : ([service, method, state, seq] as CountedJob),
    }
  }

  countUnfinished(service: string): number {
    const sql = `SELECT count(*) AS count FROM jobs INDEXED BY jobsByState
      WHERE service = ? AND method = ? AND state IN ('scheduled', 'queued', 'running')`
    return [...this.kinds(service)].reduce(
      (sum, { method }) => sum + (this.#file.get<{ count: number }>(sql, service, method)?.count ?? 0),
      0,
    )
  }
}
