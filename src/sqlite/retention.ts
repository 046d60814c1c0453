/**
 * Finished jobs are kept for a time and up to a number, then forgotten in small steps (P5). A job with an idempotency key
 * is kept as long as its key, but not beyond the number. The cost depends on the jobs that are forgotten, not on those
 * that are kept: reading a million jobs would delay casts.
 */
import type { RetentionLimits } from '../jobs/store-limits.ts'
import type { DatabaseFile } from './database-file.ts'

/** Jobs, or idempotency keys, that one transaction forgets. */
const STEP = 500
/** Free pages that stay in the file for new jobs. */
const KEPT_PAGES = 1_024
/** Free pages that one transaction gives back to the file system. */
const VACUUMED_PAGES = 256
/** The number of jobs may exceed its limit by this part of it before jobs are counted again. */
const SLACK = 0.01

/** The place of a job in the order of finished jobs. */
interface Place {
  finishedAt: number
  seq: number
}

const START: Place = { finishedAt: 0, seq: 0 }

export class Retention {
  readonly #file: DatabaseFile
  readonly #finishes: () => number
  readonly #limits: RetentionLimits
  /** Of the jobs up to this place only those with an idempotency key are left: each is forgotten with its key. */
  #examined = START
  /** Jobs that finished by this time exceed the greatest number. */
  #excessBy = 0
  /** Jobs are counted again when so many have finished. */
  #countAgainAt = 0

  /** @param finishes how many jobs have finished since the file was opened */
  constructor(file: DatabaseFile, finishes: () => number, limits: RetentionLimits) {
    this.#file = file
    this.#finishes = finishes
    this.#limits = limits
  }

  /** Forgets jobs and keys, and gives the space back. Each step of the generator is one transaction. */
  *steps(): Generator<void> {
    const finishedBy = this.#finishedBy()
    while (this.#forget(finishedBy)) yield
    let shrunk = false
    while (this.#shrink()) {
      shrunk = true
      yield
    }
    if (shrunk) this.#file.checkpoint()
  }

  /** Jobs that finished by this time are too old. */
  #finishedBy(): number {
    if (this.#finishes() >= this.#countAgainAt) this.#countJobs()
    const finishedBy = Date.now() - this.#limits.keepJobsMs
    // The clock was set back: jobs now finish at times that were examined already.
    if (this.#examined.finishedAt > finishedBy) this.#examined = START
    return finishedBy
  }

  /** Counts all finished jobs, which is slow, and finds those in excess of the greatest number. */
  #countJobs(): void {
    const { get } = this.#file
    const { maxFinishedJobs } = this.#limits
    const finishes = this.#finishes()
    const sql = 'SELECT count(*) AS jobs FROM jobs INDEXED BY jobsFinished WHERE finishedAt IS NOT NULL'
    const { jobs } = get<{ jobs: number }>(sql) as { jobs: number }
    this.#countAgainAt = finishes + Math.max(maxFinishedJobs - jobs, maxFinishedJobs * SLACK, 1)
    const newest = `SELECT finishedAt FROM jobs INDEXED BY jobsFinished WHERE finishedAt IS NOT NULL
      ORDER BY finishedAt DESC LIMIT 1 OFFSET ?`
    const excess = jobs > maxFinishedJobs && get<{ finishedAt: number }>(newest, maxFinishedJobs)
    if (excess) this.#excessBy = excess.finishedAt
  }

  /** Forgets up to `STEP` expired keys, `STEP` jobs in excess and `STEP` old jobs. True if there may be more. */
  #forget(finishedBy: number): boolean {
    this.#file.begin()
    const keys = this.#forgetKeys()
    const excess = this.#forgetExcess()
    const { finishedAt, seq } = this.#examined
    const jobs = this.#file.all<Place & { hasKey: number }>(
      `SELECT seq, finishedAt, EXISTS (SELECT 1 FROM idempotencyKeys WHERE jobId = jobs.id) AS hasKey
        FROM jobs INDEXED BY jobsFinished
        WHERE finishedAt IS NOT NULL AND finishedAt <= ? AND (finishedAt, seq) > (?, ?)
        ORDER BY finishedAt, seq LIMIT ?`,
      finishedBy,
      finishedAt,
      seq,
      STEP,
    )
    for (const job of jobs) if (job.hasKey === 0) this.#delete(job.seq)
    this.#file.commit()
    this.#examined = jobs.at(-1) ?? this.#examined
    return keys === STEP || excess === STEP || jobs.length === STEP
  }

  /** Forgets the oldest jobs where there are too many, and their keys. Returns the number of jobs. */
  #forgetExcess(): number {
    if (this.#excessBy === 0) return 0
    const jobs = this.#file.all<{ seq: number; id: string }>(
      `SELECT seq, id FROM jobs INDEXED BY jobsFinished WHERE finishedAt IS NOT NULL AND finishedAt <= ?
        ORDER BY finishedAt LIMIT ?`,
      this.#excessBy,
      STEP,
    )
    for (const { seq, id } of jobs) {
      this.#file.run('DELETE FROM idempotencyKeys WHERE jobId = ?', id)
      this.#delete(seq)
    }
    return jobs.length
  }

  /** Forgets expired keys, and jobs that were kept only for their key. Returns the number of keys. */
  #forgetKeys(): number {
    const keys = this.#file.all<{ scope: string; jobId: string }>(
      'SELECT scope, jobId FROM idempotencyKeys INDEXED BY keysExpiring WHERE expiresAt <= ? ORDER BY expiresAt LIMIT ?',
      Date.now(),
      STEP,
    )
    const { finishedAt, seq } = this.#examined
    for (const { scope, jobId } of keys) {
      this.#file.run('DELETE FROM idempotencyKeys WHERE scope = ?', scope)
      const job = this.#file.get<{ seq: number }>(
        'SELECT seq FROM jobs WHERE id = ? AND finishedAt IS NOT NULL AND (finishedAt, seq) <= (?, ?)',
        jobId,
        finishedAt,
        seq,
      )
      if (job !== undefined) this.#delete(job.seq)
    }
    return keys.length
  }

  #delete(seq: number): void {
    this.#file.run('DELETE FROM payloads WHERE seq = ?', seq)
    this.#file.run('DELETE FROM failures WHERE seq = ?', seq)
    this.#file.run('DELETE FROM attemptLogs WHERE seq = ?', seq)
    this.#file.run('DELETE FROM jobs WHERE seq = ?', seq)
  }

  /** Gives some free pages back to the file system. False if too few are free. */
  #shrink(): boolean {
    const { freelist_count: free } = this.#file.get<{ freelist_count: number }>('PRAGMA freelist_count') ?? {
      freelist_count: 0,
    }
    if (free <= KEPT_PAGES) return false
    this.#file.exec(`PRAGMA incremental_vacuum(${VACUUMED_PAGES})`)
    return true
  }
}
