/**
 * What becomes of finished jobs: they are kept for a time and up to a number, then forgotten in small steps (P5). It
 * costs what is forgotten, not what is kept: a look at a million jobs would stall the casts of that moment.
 */
import type { JournalFile } from './database-file.ts'

/** Jobs forgotten in one transaction. */
const STEP = 500
/** Free pages that are kept for what comes next; and how many of the others are given back in one transaction. */
const KEPT_PAGES = 1_024
const VACUUMED_PAGES = 256
/** The part of the greatest number of jobs that may come on top of it before the oldest are looked for again. */
const SLACK = 0.01

export interface RetentionLimits {
  keepJobsMs: number
  maxFinishedJobs: number
}

/** The place of a job among the finished ones. */
interface Place {
  finishedAt: number
  seq: number
}

const START: Place = { finishedAt: 0, seq: 0 }

export class JournalRetention {
  readonly #file: JournalFile
  readonly #finishes: () => number
  readonly #limits: RetentionLimits
  /** Up to there only jobs are left whose idempotency key has not expired: each goes with its key. */
  #examined = START
  /** Those finished by then are more than may be kept; and how many have to finish before that is looked at again. */
  #excessBy = 0
  #lookFrom = 0

  /** @param finishes how many jobs have finished since the file was opened */
  constructor(file: JournalFile, finishes: () => number, limits: RetentionLimits) {
    this.#file = file
    this.#finishes = finishes
    this.#limits = limits
  }

  /** Forgets what is past its time and gives the space back; each turn of the generator is a transaction. */
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

  /** Jobs that finished by then are forgotten: for their age, or because there are too many. */
  #finishedBy(): number {
    if (this.#finishes() >= this.#lookFrom) this.#lookForExcess()
    const finishedBy = Math.max(Date.now() - this.#limits.keepJobsMs, this.#excessBy)
    // The clock was set back: jobs finish in a time that was examined already.
    if (this.#examined.finishedAt > finishedBy) this.#examined = START
    return finishedBy
  }

  /** Counts, which takes its time. */
  #lookForExcess(): void {
    const { get } = this.#file
    const { maxFinishedJobs } = this.#limits
    const finishes = this.#finishes()
    const sql = 'SELECT count(*) AS jobs FROM jobs INDEXED BY jobsFinished WHERE finishedAt IS NOT NULL'
    const { jobs } = get<{ jobs: number }>(sql) as { jobs: number }
    this.#lookFrom = finishes + Math.max(maxFinishedJobs - jobs, maxFinishedJobs * SLACK, 1)
    const newest = `SELECT finishedAt FROM jobs INDEXED BY jobsFinished WHERE finishedAt IS NOT NULL
      ORDER BY finishedAt DESC LIMIT 1 OFFSET ?`
    const excess = jobs > maxFinishedJobs && get<{ finishedAt: number }>(newest, maxFinishedJobs)
    if (excess) this.#excessBy = excess.finishedAt
  }

  /** Deletes a step of what is to be forgotten; true if there is more of it. */
  #forget(finishedBy: number): boolean {
    this.#file.begin()
    const keys = this.#forgetKeys()
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
    return keys === STEP || jobs.length === STEP
  }

  /** Keys that have expired, and the jobs that were kept for nothing else; how many keys. */
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
    this.#file.run('DELETE FROM jobs WHERE seq = ?', seq)
  }

  /** Gives a step of the free pages back to the file system; true if there are more of them. */
  #shrink(): boolean {
    const { freelist_count: free } = this.#file.get<{ freelist_count: number }>('PRAGMA freelist_count') ?? {
      freelist_count: 0,
    }
    if (free <= KEPT_PAGES) return false
    this.#file.exec(`PRAGMA incremental_vacuum(${VACUUMED_PAGES})`)
    return true
  }
}
