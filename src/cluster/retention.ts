/**
 * Finished jobs are kept for a time and up to a number, then forgotten in small steps (P5). A job with an idempotency key
 * is kept as long as its key, but not beyond the number. Every node does this; what another is deleting is skipped. The
 * cost depends on the jobs that finish and are forgotten, not on those that are kept.
 */
import type { RetentionLimits } from '../jobs/store-limits.ts'
import { type Run, statement } from './statement.ts'
import { NOW, type StoreClock } from './store-clock.ts'

/** Jobs, keys or rows that one transaction forgets. */
const STEP = 500
/** The number of jobs may exceed its limit by this part of it before jobs are counted again. */
const SLACK = 0.01
/** So often jobs that were kept for their key are looked at again: one may have been written late. */
const AGAIN_AFTER_MS = 10 * 60 * 1_000

const FORGET_KEYS = statement(
  'forgetKeys',
  `WITH old AS (DELETE FROM idempotency_keys WHERE scope = ANY(ARRAY(SELECT scope FROM idempotency_keys
      WHERE expires_at <= ${NOW} ORDER BY expires_at LIMIT ${STEP} FOR UPDATE SKIP LOCKED)) RETURNING job_id),
    jobs_of_them AS (DELETE FROM jobs WHERE id = ANY(ARRAY(SELECT job_id FROM old)) AND finished_at <= $1
      AND (finished_at, seq) <= ($1, $2))
    SELECT count(*) AS count FROM old`,
)
const FORGET_JOBS = statement(
  'forgetJobs',
  `WITH seen AS MATERIALIZED (SELECT seq, finished_at,
      EXISTS (SELECT 1 FROM idempotency_keys WHERE job_id = jobs.id) AS has_key FROM jobs
      WHERE finished_at IS NOT NULL AND finished_at <= $1 AND (finished_at, seq) > ($2, $3)
      ORDER BY finished_at, seq LIMIT ${STEP} FOR UPDATE SKIP LOCKED),
    gone AS (DELETE FROM jobs WHERE seq = ANY(ARRAY(SELECT seq FROM seen WHERE NOT has_key)))
    SELECT finished_at AS "finishedAt", seq FROM seen ORDER BY finished_at, seq`,
)
/** Jobs of all nodes, however they have finished: also those that nobody ran. */
const COUNT_FINISHED = statement(
  'countFinished',
  `SELECT count(*) AS count, max(finished_at) AS newest FROM jobs WHERE finished_at IS NOT NULL AND finished_at > $1`,
)
const EXCESS_BY = statement(
  'excessBy',
  `SELECT finished_at AS "finishedAt" FROM jobs WHERE finished_at IS NOT NULL ORDER BY finished_at DESC, seq DESC
    OFFSET $1 LIMIT 1`,
)
const FORGET_EXCESS = statement(
  'forgetExcess',
  `WITH gone AS (DELETE FROM jobs WHERE seq = ANY(ARRAY(SELECT seq FROM jobs
      WHERE finished_at IS NOT NULL AND finished_at <= $1 ORDER BY finished_at, seq LIMIT ${STEP}
      FOR UPDATE SKIP LOCKED)) RETURNING id),
    keys AS (DELETE FROM idempotency_keys WHERE job_id = ANY(ARRAY(SELECT id FROM gone)))
    SELECT count(*) AS count FROM gone`,
)

/** The place of a job in the order of finished jobs. */
interface Place {
  finishedAt: number
  seq: number
}

const START: Place = { finishedAt: 0, seq: 0 }

/** So many jobs, or more, had finished by a time and were not forgotten before they were counted. */
interface Counted {
  count: number
  by: number
}

const NOTHING: Counted = { count: 0, by: 0 }

export class Retention {
  readonly #run: Run
  readonly #clock: StoreClock
  readonly #limits: RetentionLimits
  /** Of the jobs up to this place only those with an idempotency key are left: each is forgotten with its key. */
  #examined = START
  #examinedSince = performance.now()
  /** Jobs that finished by this time exceed the greatest number. */
  #excessBy = 0
  #counted = NOTHING

  constructor(run: Run, clock: StoreClock, limits: RetentionLimits) {
    this.#run = run
    this.#clock = clock
    this.#limits = limits
  }

  /** Each step of the generator is one transaction. */
  async *steps(): AsyncGenerator<void> {
    const finishedBy = this.#clock.now() - this.#limits.keepJobsMs
    const isOver = performance.now() - this.#examinedSince > AGAIN_AFTER_MS
    // A clock that was set back: jobs now finish at times that were examined, or counted, already.
    if (isOver || this.#examined.finishedAt > finishedBy) {
      this.#examined = START
      this.#examinedSince = performance.now()
      this.#counted = NOTHING
    }
    await this.#findExcess()
    while ((await this.#forgetKeys()) === STEP) yield
    while ((await this.#forgetExcess()) === STEP) yield
    while ((await this.#forgetJobs(finishedBy)) === STEP) yield
  }

  async #forgetKeys(): Promise<number> {
    const { finishedAt, seq } = this.#examined
    return (await this.#run<{ count: number }>(FORGET_KEYS, [finishedAt, seq])).rows[0]?.count ?? 0
  }

  async #forgetJobs(finishedBy: number): Promise<number> {
    const { finishedAt, seq } = this.#examined
    const { rows } = await this.#run<Place>(FORGET_JOBS, [finishedBy, finishedAt, seq])
    this.#examined = rows.at(-1) ?? this.#examined
    return rows.length
  }

  async #forgetExcess(): Promise<number> {
    if (this.#excessBy === 0) return 0
    const count = (await this.#run<{ count: number }>(FORGET_EXCESS, [this.#excessBy])).rows[0]?.count ?? 0
    if (count < STEP) this.#excessBy = 0
    return count
  }

  /**
   * Finds the jobs in excess of the greatest number. Of those that were counted before, some may have been forgotten: all
   * are counted again, which is slow, only when there may be too many.
   */
  async #findExcess(): Promise<void> {
    const { maxFinishedJobs } = this.#limits
    const tooMany = maxFinishedJobs + Math.max(maxFinishedJobs * SLACK, 1)
    this.#counted = await this.#countSince(this.#counted)
    if (this.#counted.count < tooMany) return
    this.#counted = await this.#countSince(NOTHING)
    if (this.#counted.count < tooMany) return
    const { rows } = await this.#run<{ finishedAt: number }>(EXCESS_BY, [maxFinishedJobs])
    this.#excessBy = rows[0]?.finishedAt ?? 0
    this.#counted.count = maxFinishedJobs
  }

  /** Adds the jobs that have finished since. */
  async #countSince({ count, by }: Counted): Promise<Counted> {
    const { rows } = await this.#run<{ count: number; newest: number | null }>(COUNT_FINISHED, [by])
    return { count: count + (rows[0]?.count ?? 0), by: rows[0]?.newest ?? by }
  }
}
