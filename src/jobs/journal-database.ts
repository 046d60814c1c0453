/**
 * What becomes of jobs, one method an operation of the store. Runs in the journal's thread, inside the transaction of
 * its group; nothing here commits.
 */
import { ThreadplaneError } from '../errors.ts'
import { type Job, type JobError, SERVER_ENDED } from './job.ts'
import type { JobOutcome } from './job-store.ts'
import type { JournalFile } from './journal-file.ts'
import type { JournalLists } from './journal-lists.ts'
import { COLUMNS, iso, type Row, toJob } from './journal-row.ts'

/** Attempts whose history is kept with a job: the last ones. */
const MAX_HISTORY = 100
/** Scheduled jobs that are queued in one transaction when their time has come. */
const MAX_PROMOTED = 1_000
const NOT_EXPIRED = '(expiresAt IS NULL OR expiresAt > ?)'

/** An attempt succeeds or fails while it runs; what waits can be cancelled or expire. */
const ENDS_WHAT = {
  succeeded: `state = 'running'`,
  failed: `state = 'running'`,
  cancelled: 'finishedAt IS NULL',
  expired: `state IN ('queued', 'scheduled')`,
}

/** The history goes on, and its numbers with it; the job has as many attempts again as it had at first. */
const REQUEUE = `UPDATE jobs SET state = 'queued', maxAttempts = attempts + maxAttempts - attemptsBefore,
  attemptsBefore = attempts, finishedAt = NULL, error = NULL, notBefore = NULL, expiresAt = NULL`

export class JournalDatabase {
  /** How many jobs have finished so far; some of them twice, where a transaction had to be repeated. */
  finishes = 0
  readonly #file: JournalFile
  readonly #lists: JournalLists

  constructor(file: JournalFile, lists: JournalLists) {
    this.#file = file
    this.#lists = lists
  }

  get(id: string): Job | undefined {
    const row = this.#file.get<Row>(`SELECT ${COLUMNS} FROM jobs WHERE id = ?`, id)
    return row && toJob(row)
  }

  #present(id: string): Job {
    const job = this.get(id)
    if (job === undefined) throw new ThreadplaneError('JOB_NOT_FOUND', `there is no job ${JSON.stringify(id)}`)
    return job
  }

  due(service: string, limit: number): Job[] {
    const now = Date.now()
    this.#file.run(
      `UPDATE jobs SET state = 'queued' WHERE seq IN (SELECT seq FROM jobs INDEXED BY jobsScheduled
        WHERE service = ? AND state = 'scheduled' AND notBefore <= ? ORDER BY notBefore LIMIT ${MAX_PROMOTED})`,
      service,
      now,
    )
    return this.#file
      .all<Row>(
        `SELECT ${COLUMNS}, (SELECT payload FROM payloads WHERE payloads.seq = jobs.seq) AS payload
        FROM jobs INDEXED BY jobsQueued WHERE service = ? AND state = 'queued' AND ${NOT_EXPIRED}
        ORDER BY priority DESC, seq LIMIT ?`,
        service,
        now,
        limit,
      )
      .map(toJob)
  }

  nextDueAt(service: string): number | undefined {
    const queued = `SELECT 1 FROM jobs WHERE service = ? AND state = 'queued' LIMIT 1`
    if (this.#file.get(queued, service) !== undefined) return Date.now()
    const sql = `SELECT min(notBefore) AS at FROM jobs WHERE service = ? AND state = 'scheduled'`
    return this.#file.get<{ at: number | null }>(sql, service)?.at ?? undefined
  }

  beginAttempt(id: string): Job | undefined {
    const now = Date.now()
    const { changes } = this.#file.run(
      `UPDATE jobs SET state = 'running', attempts = attempts + 1, startedAt = coalesce(startedAt, ?),
        history = json_insert(history, '$[#]', json_object('number', attempts + 1, 'startedAt', ?))
        WHERE id = ? AND state = 'queued' AND ${NOT_EXPIRED}`,
      now,
      iso(now),
      id,
      now,
    )
    return changes === 0 ? undefined : this.get(id)
  }

  release(id: string, attempt: number): void {
    this.#file.run(
      `UPDATE jobs SET state = 'queued', attempts = attempts - 1, history = json_remove(history, '$[#-1]'),
        startedAt = iif(attempts = 1, NULL, startedAt)
        WHERE id = ? AND state = 'running' AND attempts = ?`,
      id,
      attempt,
    )
  }

  retry(id: string, attempt: number, error: JobError, notBefore: number): Job | undefined {
    this.#endAttempt(id, attempt, error)
    const { changes } = this.#file.run(
      `UPDATE jobs SET state = 'scheduled', notBefore = ? WHERE id = ? AND state = 'running' AND attempts = ?`,
      notBefore,
      id,
      attempt,
    )
    return changes === 0 ? undefined : this.get(id)
  }

  finish(id: string, attempt: number, outcome: JobOutcome): Job | undefined {
    const error = outcome.state === 'succeeded' ? undefined : outcome.error
    this.#endAttempt(id, attempt, error)
    const { changes } = this.#file.run(
      `UPDATE jobs SET state = ?, finishedAt = ?, result = ?, error = ?
        WHERE id = ? AND attempts = ? AND ${ENDS_WHAT[outcome.state]}`,
      outcome.state,
      Date.now(),
      outcome.state === 'succeeded' ? outcome.result : null,
      error === undefined ? null : JSON.stringify(error),
      id,
      attempt,
    )
    if (changes === 0) return undefined
    this.finishes += 1
    return this.get(id)
  }

  #endAttempt(id: string, attempt: number, error: JobError | undefined): void {
    const end = error === undefined ? '' : `, '$[#-1].error', json(?)`
    this.#file.run(
      `UPDATE jobs SET history = json_set(
          iif(json_array_length(history) > ${MAX_HISTORY}, json_remove(history, '$[0]'), history),
          '$[#-1].endedAt', ?${end})
        WHERE id = ? AND attempts = ? AND state = 'running'`,
      iso(Date.now()),
      ...(error === undefined ? [] : [JSON.stringify(error)]),
      id,
      attempt,
    )
  }

  expire(limit: number): Job[] {
    const error: JobError = { code: 'JOB_EXPIRED', message: 'its ttlMs passed before it could run' }
    const late = this.#file.all<{ id: string; attempts: number }>(
      `SELECT id, attempts FROM jobs INDEXED BY jobsExpiring
        WHERE expiresAt <= ? AND expiresAt IS NOT NULL AND state IN ('queued', 'scheduled') LIMIT ?`,
      Date.now(),
      limit,
    )
    return late
      .map(({ id, attempts }) => this.finish(id, attempts, { state: 'expired', error }))
      .filter((job) => job !== undefined)
  }

  requeue(id: string): Job {
    this.#present(id)
    this.#file.run(`${REQUEUE} WHERE id = ? AND finishedAt IS NOT NULL AND state <> 'succeeded'`, id)
    return this.#present(id)
  }

  requeueFailed(service: string, limit: number, failedBy: number): number {
    let requeued = 0
    for (const { method } of this.#lists.kinds(service)) {
      const { changes } = this.#file.run(
        `${REQUEUE} WHERE seq IN (SELECT seq FROM jobs INDEXED BY jobsByState
          WHERE service = ? AND method = ? AND state = 'failed' AND finishedAt <= ? ORDER BY seq LIMIT ?)`,
        service,
        method,
        failedBy,
        limit - requeued,
      )
      requeued += changes
      if (requeued === limit) break
    }
    return requeued
  }

  cancelWaiting(service: string, limit: number): string[] {
    const error: JobError = { code: 'JOB_CANCELLED', message: 'the job was cancelled' }
    const ids: string[] = []
    for (const { method } of this.#lists.kinds(service)) {
      for (const state of ['scheduled', 'queued']) {
        const cancelled = this.#file.all<{ id: string }>(
          `UPDATE jobs SET state = 'cancelled', finishedAt = ?, error = ? WHERE seq IN (SELECT seq
            FROM jobs INDEXED BY jobsByState WHERE service = ? AND method = ? AND state = ? ORDER BY seq LIMIT ?)
            RETURNING id`,
          Date.now(),
          JSON.stringify(error),
          service,
          method,
          state,
          limit - ids.length,
        )
        ids.push(...cancelled.map(({ id }) => id))
      }
    }
    this.finishes += ids.length
    return ids
  }

  remove(id: string): void {
    const key = this.#file.get<{ expiresAt: number }>(
      'SELECT expiresAt FROM idempotencyKeys WHERE jobId = ? AND expiresAt > ?',
      id,
      Date.now(),
    )
    if (key !== undefined) {
      const until = iso(key.expiresAt)
      throw new ThreadplaneError('CONFLICT', `the job is kept until its idempotency key expires, at ${until}`, {
        jobId: id,
      })
    }
    this.#file.run('DELETE FROM payloads WHERE seq = (SELECT seq FROM jobs WHERE id = ?)', id)
    this.#file.run('DELETE FROM jobs WHERE id = ?', id)
  }

  /** A job found running was under way when the process ended: that attempt counts (P3). */
  recover(): number {
    const running = this.#lists.inState('running', Number.MAX_SAFE_INTEGER)
    for (const { id, attempts, maxAttempts } of running) {
      if (attempts < maxAttempts) this.retry(id, attempts, SERVER_ENDED, Date.now())
      else this.finish(id, attempts, { state: 'failed', error: SERVER_ENDED })
    }
    return running.length
  }
}
