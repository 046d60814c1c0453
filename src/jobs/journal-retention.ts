/** What becomes of finished jobs: they are kept for a time and up to a number, then forgotten in small steps (P5). */
import type { JournalFile } from './journal-file.ts'

/** Jobs forgotten in one transaction. */
const STEP = 500
/** Free pages that are kept for what comes next; and how many of the others are given back in one transaction. */
const KEPT_PAGES = 1_024
const VACUUMED_PAGES = 256

export interface RetentionLimits {
  keepJobsMs: number
  maxFinishedJobs: number
}

export class JournalRetention {
  readonly #file: JournalFile
  readonly #limits: RetentionLimits

  constructor(file: JournalFile, limits: RetentionLimits) {
    this.#file = file
    this.#limits = limits
  }

  /** Forgets what is past its time and gives the space back; each turn of the generator is a transaction. */
  *steps(): Generator<void> {
    const finishedBy = this.#retainedAfter()
    while (this.#forget(finishedBy)) yield
    let shrunk = false
    while (this.#shrink()) {
      shrunk = true
      yield
    }
    if (shrunk) this.#file.checkpoint()
  }

  /** Jobs that finished by then are forgotten: for their age, or because there are too many. */
  #retainedAfter(): number {
    const excess = this.#file.get<{ finishedAt: number }>(
      `SELECT finishedAt FROM jobs INDEXED BY jobsFinished WHERE finishedAt IS NOT NULL
        ORDER BY finishedAt DESC LIMIT 1 OFFSET ?`,
      this.#limits.maxFinishedJobs,
    )
    return Math.max(Date.now() - this.#limits.keepJobsMs, excess?.finishedAt ?? 0)
  }

  /** Deletes a step of what is to be forgotten; true if there is more of it. */
  #forget(finishedBy: number): boolean {
    const { run, all } = this.#file
    this.#file.begin()
    const keys = run(
      `DELETE FROM idempotencyKeys WHERE scope IN
        (SELECT scope FROM idempotencyKeys INDEXED BY keysExpiring WHERE expiresAt <= ? LIMIT ?)`,
      Date.now(),
      STEP,
    )
    const seqs = all<{ seq: number }>(
      `SELECT seq FROM jobs INDEXED BY jobsFinished WHERE finishedAt IS NOT NULL AND finishedAt <= ?
        AND NOT EXISTS (SELECT 1 FROM idempotencyKeys WHERE jobId = jobs.id) ORDER BY finishedAt LIMIT ?`,
      finishedBy,
      STEP,
    )
    for (const { seq } of seqs) {
      run('DELETE FROM payloads WHERE seq = ?', seq)
      run('DELETE FROM jobs WHERE seq = ?', seq)
    }
    this.#file.commit()
    return keys.changes === STEP || seqs.length === STEP
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
