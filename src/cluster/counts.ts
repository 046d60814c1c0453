/**
 * How many jobs each service has in each state. One statement reads an index, and no job. With a million jobs that takes a
 * fifth of a second, so a count of many jobs is answered again for a while.
 */
import { JOB_STATES, type JobState } from '../contract/states.ts'
import type { CountedJob, CountedJobs, ServiceCounts } from '../jobs/job-store.ts'
import { type CountedRow, countsByService } from '../jobs/state-counts.ts'
import { MAX_COUNTED_SERVICES } from '../jobs/store-limits.ts'
import { type Run, statement } from './statement.ts'

/** A count of more jobs is kept. One of fewer is always made again, however busy the database is. */
const MANY_JOBS = 20_000
/** A count is kept for so many times the time that it took: counting takes at most a twentieth of the time. */
const KEPT_FOR = 20
/** Jobs that are counted at a time for `countJobs`. */
const COUNTED_AT_A_TIME = 20_000

const COUNTS = (where: string) => `SELECT service, state, sum(jobs)::bigint AS count FROM (
    SELECT service, method, state, count(*) AS jobs FROM jobs ${where} GROUP BY service, method, state) kinds
  GROUP BY service, state ORDER BY service LIMIT ${MAX_COUNTED_SERVICES * JOB_STATES.length}`
const COUNT_ALL = statement('countAll', COUNTS(''))
const COUNT_SERVICE = statement('countService', COUNTS('WHERE service = $1'))

/** Ends in the middle of a kind: the next part goes on there. */
const COUNT_PART = statement(
  'countPart',
  `SELECT service, method, state, max(seq) AS seq, count(*) AS count FROM (
      SELECT service, method, state, seq FROM jobs WHERE (service, method, state, seq) > ($1, $2, $3, $4)
      ORDER BY service, method, state, seq LIMIT ${COUNTED_AT_A_TIME}) part
    GROUP BY service, method, state ORDER BY service, method, state`,
)

interface Part {
  service: string
  method: string
  state: JobState
  seq: number
  count: number
}

export class JobCounts {
  readonly #run: Run
  /** Service, or `undefined` for all → counts of many jobs. */
  readonly #kept = new Map<string | undefined, { counts: ServiceCounts[]; until: number }>()

  constructor(run: Run) {
    this.#run = run
  }

  async counts(service?: string): Promise<ServiceCounts[]> {
    const since = performance.now()
    for (const [key, { until }] of this.#kept) if (until <= since) this.#kept.delete(key)
    const known = this.#kept.get(service)
    if (known !== undefined) return known.counts
    const { rows } =
      service === undefined
        ? await this.#run<CountedRow>(COUNT_ALL, [])
        : await this.#run<CountedRow>(COUNT_SERVICE, [service])
    const counts = countsByService(rows)
    const now = performance.now()
    const jobs = rows.reduce((sum, { count }) => sum + count, 0)
    if (jobs > MANY_JOBS) this.#kept.set(service, { counts, until: now + (now - since) * KEPT_FOR })
    return counts
  }

  /** Counts a part of all jobs, the first part if `after` is `undefined`. */
  async part(after: CountedJob = ['', '', 'cancelled', 0]): Promise<CountedJobs> {
    const { rows } = await this.#run<Part>(COUNT_PART, after)
    const last = rows.at(-1)
    const isLast = rows.reduce((sum, { count }) => sum + count, 0) < COUNTED_AT_A_TIME
    return {
      counts: rows.map(({ service, state, count }) => [service, state, count]),
      next: last === undefined || isLast ? undefined : [last.service, last.method, last.state, last.seq],
    }
  }
}
