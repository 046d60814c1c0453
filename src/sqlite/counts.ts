/**
 * How many jobs each service has in each state. One statement reads the index by state alone, and no job. Measured: 180 ms
 * for a million jobs. Everything else waits for that, so a count of many jobs is answered again for a while.
 */
import { JOB_STATES } from '../contract/states.ts'
import type { ServiceCounts } from '../jobs/job-store.ts'
import { type CountedRow, countsByService } from '../jobs/state-counts.ts'
import { MAX_COUNTED_SERVICES } from '../jobs/store-limits.ts'
import type { DatabaseFile } from './database-file.ts'

/** A count of more jobs is kept: it takes some 4 ms. One of fewer is always made again, however busy the machine is. */
const MANY_JOBS = 20_000
/** A count is kept for so many times the time that it took: counting takes at most a twentieth of the time. */
const KEPT_FOR = 20

/** SQL of the counts; takes SQL that chooses jobs. The groups come in the order of the index, so only their sums are sorted. */
const COUNTS = (where: string) => `SELECT service, state, sum(jobs) AS count FROM (
  SELECT service, method, state, count(*) AS jobs FROM jobs INDEXED BY jobsByState ${where}
    GROUP BY service, method, state)
  GROUP BY service, state ORDER BY service LIMIT ${MAX_COUNTED_SERVICES * JOB_STATES.length}`

export class JobCounts {
  readonly #file: DatabaseFile
  /** Service, or `undefined` for all → counts of many jobs. */
  readonly #kept = new Map<string | undefined, { counts: ServiceCounts[]; until: number }>()

  constructor(file: DatabaseFile) {
    this.#file = file
  }

  counts(service?: string): ServiceCounts[] {
    const since = performance.now()
    for (const [key, { until }] of this.#kept) if (until <= since) this.#kept.delete(key)
    const known = this.#kept.get(service)
    if (known !== undefined) return known.counts
    const counts = this.#count(service)
    const now = performance.now()
    const jobs = counts.reduce((sum, { counts }) => sum + Object.values(counts).reduce((a, b) => a + b), 0)
    if (jobs > MANY_JOBS) this.#kept.set(service, { counts, until: now + (now - since) * KEPT_FOR })
    return counts
  }

  #count(service: string | undefined): ServiceCounts[] {
    const rows =
      service === undefined
        ? this.#file.all<CountedRow>(COUNTS(''))
        : this.#file.all<CountedRow>(COUNTS('WHERE service = ?'), service)
    return countsByService(rows)
  }
}
