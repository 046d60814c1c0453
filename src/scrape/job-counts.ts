/**
 * How many jobs each service has in each state, and since when the oldest waits. The journal counts them in parts, so that other operations go on between
 * two parts, and not more often than every ten seconds, however many clients ask.
 */
import { resolvesWithin } from '../async/deadline.ts'
import { JOB_STATES, type JobState } from '../contract/states.ts'
import type { CountedJob, CountedJobs, OldestQueued } from '../jobs/job-store.ts'

const COUNT_EVERY_MS = 10_000
/** How long an answer waits for a count. Then it has the last one. */
const COUNTED_WITHIN_MS = 1_000

export interface CountedJobsOfServices {
  /** Service → state → number. */
  counts: ReadonlyMap<string, ReadonlyMap<JobState, number>>
  /** Service → since when its oldest job waits that could run, in milliseconds since the epoch. */
  oldest: ReadonlyMap<string, number>
}

export interface CountsJobs {
  countJobs(after: CountedJob | undefined): Promise<CountedJobs>
  oldestQueued(): Promise<OldestQueued[]>
}

export class JobCounts {
  readonly #store: CountsJobs
  #known: CountedJobsOfServices | undefined
  #countedAt = Number.NEGATIVE_INFINITY
  #counting: Promise<void> | undefined

  constructor(store: CountsJobs) {
    this.#store = store
  }

  /** `undefined` if they could not be counted yet. */
  async read(): Promise<CountedJobsOfServices | undefined> {
    if (performance.now() - this.#countedAt > COUNT_EVERY_MS) {
      this.#counting ??= this.#count().finally(() => {
        this.#counting = undefined
      })
      await resolvesWithin(this.#counting, COUNTED_WITHIN_MS)
    }
    return this.#known
  }

  /** While the journal does not answer, the last counts stay. */
  async #count(): Promise<void> {
    const services = new Map<string, Map<JobState, number>>()
    try {
      for (let after: CountedJob | undefined; ; ) {
        const { counts, next } = await this.#store.countJobs(after)
        for (const [service, state, count] of counts) {
          const states = services.get(service) ?? new Map(JOB_STATES.map((each) => [each, 0]))
          services.set(service, states.set(state, (states.get(state) ?? 0) + count))
        }
        if (next === undefined) break
        after = next
      }
      const oldest = await this.#store.oldestQueued()
      this.#known = { counts: services, oldest: new Map(oldest.map(({ service, since }) => [service, since])) }
      this.#countedAt = performance.now()
    } catch {
      // `threadplane_journal_writable` says that the journal is unavailable.
    }
  }
}
