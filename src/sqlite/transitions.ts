/**
 * The changes of a job's state, one method for each operation of the store. Runs in the journal's process, inside the
 * transaction of a group: nothing here commits.
 */
import { ThreadplaneError } from '../contract/errors.ts'
import { CANCELLED, EXPIRED, type Job, type JobError, SERVER_ENDED, timestamp } from '../jobs/job.ts'
import type { JobOutcome, WaitingJob, Withdrawal } from '../jobs/job-store.ts'
import { MAX_HISTORY } from '../jobs/store-limits.ts'
import type { DatabaseFile } from './database-file.ts'
import { queueDue, runNow } from './due-jobs.ts'
import type { Failures } from './failures.ts'
import type { JobLists } from './lists.ts'
import type { TakenRow } from './messages.ts'
import { readJob } from './job-row.ts'

const ISO = (at: string) => `strftime('%Y-%m-%dT%H:%M:%fZ', ${at} / 1000.0, 'unixepoch')`
/** SQL of a column with JSON. A damaged one must not stop the jobs beside it. */
const JSON_OF = (column: string, otherwise: string) => `iif(json_valid(${column}), ${column}, ${otherwise})`
const KNOWN_HISTORY = JSON_OF('history', `'[]'`)
/** SQL of the history with the present attempt added. Takes SQL of when it ended, in milliseconds, and of its error. */
const HISTORY = (endedAt: string, error: string) => `json_insert(
  iif(json_array_length(${KNOWN_HISTORY}) >= ${MAX_HISTORY}, json_remove(history, '$[0]'), ${KNOWN_HISTORY}), '$[#]', json_object(
    'number', attempts, 'startedAt', ${ISO('begunAt')}, 'endedAt', ${ISO(endedAt)}, 'error', json(${error})))`

/** SQL of when a job that waits began to wait: its last attempt ended, or it was accepted. */
const WAITS_SINCE = `coalesce(CAST(round(unixepoch(${KNOWN_HISTORY} ->> '$[#-1].endedAt', 'subsec') * 1000) AS INTEGER), createdAt)`

/** Columns of a `WaitingJob`. */
const IN_SHORT = 'id, service, method, attempts, maxAttempts, priority'

/** History and attempt numbers continue; the job gets as many attempts again as it had at first. */
const REQUEUE = `UPDATE jobs SET state = 'queued', maxAttempts = attempts + maxAttempts - attemptsBefore,
  attemptsBefore = attempts, history = iif(begunAt IS NULL, ${KNOWN_HISTORY}, ${HISTORY('finishedAt', JSON_OF('error', 'NULL'))}), begunAt = NULL,
  finishedAt = NULL, error = NULL, notBefore = NULL, expiresAt = NULL`

export class JobTransitions {
  /** How many jobs have finished since the file was opened. A repeated transaction counts its jobs twice. */
  finishes = 0
  readonly #file: DatabaseFile
  readonly #lists: JobLists
  readonly #failures: Failures

  constructor(file: DatabaseFile, lists: JobLists, failures: Failures) {
    this.#file = file
    this.#lists = lists
    this.#failures = failures
  }

  get(id: string): Job | undefined {
    return readJob(this.#file, 'id = ?', id)
  }

  /** @throws JOB_NOT_FOUND */
  #existing(id: string): Job {
    const job = this.get(id)
    if (job === undefined) throw new ThreadplaneError('JOB_NOT_FOUND', `there is no job ${JSON.stringify(id)}`)
    return job
  }

  /** The last of the payloads may exceed `bytes`. */
  take(service: string, limit: number, bytes: number): TakenRow[] {
    const now = Date.now()
    queueDue(this.#file, service, now)
    const taken = this.#file.tuples<TakenRow>(
      `UPDATE jobs SET state = 'running', attempts = attempts + 1, begunAt = ?1, startedAt = coalesce(startedAt, ?1)
        WHERE seq IN (SELECT seq FROM (
          SELECT seq, sum(size) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS sizeBefore FROM (
            SELECT seq, (SELECT octet_length(payload) FROM payloads WHERE payloads.seq = jobs.seq) AS size
              FROM jobs INDEXED BY jobsQueued WHERE service = ?2 AND state = 'queued'
                AND (expiresAt IS NULL OR expiresAt > ?1) ORDER BY priority DESC, seq LIMIT ?3))
          WHERE coalesce(sizeBefore, 0) < ?4)
        RETURNING seq, id, method, coalesce((SELECT payload FROM payloads WHERE payloads.seq = jobs.seq), ''), priority,
          attempts, maxAttempts, expiresAt, traceparent, ${KNOWN_HISTORY} -> '$[#-1].error'`,
      now,
      service,
      limit,
      bytes,
    )
    // RETURNING has no order.
    return taken.sort((a, b) => b[4] - a[4] || a[0] - b[0])
  }

  release(id: string, attempt: number): boolean {
    const { changes } = this.#file.run(
      `UPDATE jobs SET state = 'queued', attempts = attempts - 1, begunAt = NULL,
        startedAt = iif(attempts = 1, NULL, startedAt)
        WHERE id = ? AND state = 'running' AND attempts = ?`,
      id,
      attempt,
    )
    return changes === 1
  }

  retry(id: string, attempt: number, error: JobError, notBefore: number): boolean {
    const { changes } = this.#file.run(
      `UPDATE jobs SET state = 'scheduled', notBefore = ?, history = ${HISTORY('?', '?')}, begunAt = NULL
        WHERE id = ? AND state = 'running' AND attempts = ?`,
      notBefore,
      Date.now(),
      JSON.stringify(error),
      id,
      attempt,
    )
    return changes === 1
  }

  finish(id: string, attempt: number, outcome: JobOutcome): boolean {
    const { changes } = this.#file.run(
      `UPDATE jobs SET state = ?, finishedAt = ?, result = ?, error = ?
        WHERE id = ? AND state = 'running' AND attempts = ?`,
      outcome.state,
      Date.now(),
      outcome.state === 'succeeded' ? outcome.result : null,
      outcome.state === 'succeeded' ? null : JSON.stringify(outcome.error),
      id,
      attempt,
    )
    if (changes === 1 && outcome.state === 'failed') this.#failures.add(id, outcome.error)
    this.finishes += changes
    return changes === 1
  }

  withdraw(id: string, attempt: number, { state, error, begun }: Withdrawal): boolean {
    const { changes } = this.#file.run(
      `UPDATE jobs SET state = ?1, finishedAt = ?2, error = ?3, attempts = attempts - ?4,
        begunAt = iif(?4, NULL, begunAt), startedAt = iif(?4 AND attempts = 1, NULL, startedAt)
        WHERE id = ?5 AND state = 'running' AND attempts = ?6`,
      state,
      Date.now(),
      JSON.stringify(error),
      begun ? 0 : 1,
      id,
      attempt,
    )
    this.finishes += changes
    return changes === 1
  }

  cancel(id: string): Job | undefined {
    this.cancelIfWaiting(id)
    return this.get(id)
  }

  runNow(id: string): Job | undefined {
    runNow(this.#file, id)
    return this.get(id)
  }

  /** Was it waiting? */
  cancelIfWaiting(id: string): boolean {
    const { changes } = this.#file.run(
      `UPDATE jobs SET state = 'cancelled', finishedAt = ?, error = ? WHERE id = ? AND state IN ('queued', 'scheduled')`,
      Date.now(),
      JSON.stringify(CANCELLED),
      id,
    )
    this.finishes += changes
    return changes === 1
  }

  expire(limit: number): WaitingJob[] {
    const now = Date.now()
    const expired = this.#file.all<WaitingJob>(
      `UPDATE jobs SET state = 'expired', finishedAt = ?1, error = ?2 WHERE seq IN (SELECT seq
        FROM jobs INDEXED BY jobsExpiring
        WHERE expiresAt <= ?1 AND expiresAt IS NOT NULL AND state IN ('queued', 'scheduled') LIMIT ?3) RETURNING ${IN_SHORT}`,
      now,
      JSON.stringify(EXPIRED),
      limit,
    )
    this.finishes += expired.length
    return expired
  }

  requeue(id: string): Job {
    this.#existing(id)
    this.requeueIfEnded(id)
    return this.#existing(id)
  }

  /** Had it ended, and not succeeded? */
  requeueIfEnded(id: string): boolean {
    this.#failures.remove(id)
    return (
      this.#file.run(`${REQUEUE} WHERE id = ? AND finishedAt IS NOT NULL AND state <> 'succeeded'`, id).changes === 1
    )
  }

  requeueFailed(service: string, limit: number, failedBy: number): number {
    let requeued = 0
    for (const { method } of this.#lists.kinds(service)) {
      const queued = this.#file.all<{ seq: number }>(
        `${REQUEUE} WHERE seq IN (SELECT seq FROM jobs INDEXED BY jobsByState
          WHERE service = ? AND method = ? AND state = 'failed' AND finishedAt <= ? ORDER BY seq LIMIT ?) RETURNING seq`,
        service,
        method,
        failedBy,
        limit - requeued,
      )
      for (const { seq } of queued) this.#file.run('DELETE FROM failures WHERE seq = ?', seq)
      requeued += queued.length
      if (requeued === limit) break
    }
    return requeued
  }

  cancelWaiting(service: string, limit: number): WaitingJob[] {
    const jobs: WaitingJob[] = []
    for (const { method } of this.#lists.kinds(service)) {
      for (const state of ['scheduled', 'queued']) {
        const cancelled = this.#file.all<WaitingJob>(
          `UPDATE jobs SET state = 'cancelled', finishedAt = ?, error = ? WHERE seq IN (SELECT seq
            FROM jobs INDEXED BY jobsByState WHERE service = ? AND method = ? AND state = ? ORDER BY seq LIMIT ?)
            RETURNING ${IN_SHORT}`,
          Date.now(),
          JSON.stringify(CANCELLED),
          service,
          method,
          state,
          limit - jobs.length,
        )
        jobs.push(...cancelled)
      }
    }
    this.finishes += jobs.length
    return jobs
  }

  remove(id: string): void {
    const key = this.#file.get<{ expiresAt: number }>(
      'SELECT expiresAt FROM idempotencyKeys WHERE jobId = ? AND expiresAt > ?',
      id,
      Date.now(),
    )
    if (key !== undefined) {
      const until = timestamp(key.expiresAt)
      throw new ThreadplaneError('CONFLICT', `the job is kept until its idempotency key expires, at ${until}`, {
        jobId: id,
      })
    }
    this.#failures.remove(id)
    for (const table of ['payloads', 'attemptLogs']) {
      this.#file.run(`DELETE FROM ${table} WHERE seq = (SELECT seq FROM jobs WHERE id = ?)`, id)
    }
    this.#file.run('DELETE FROM jobs WHERE id = ?', id)
  }

  /**
   * Jobs that began to wait at a time that has not come again (`since` or later does not count) wait at most as long as at
   * first. So at a start, where nobody knows by how much the clock was set back, `byMs` is 0, and a second start changes
   * nothing more.
   */
  clockSetBack(byMs: number, since: number): void {
    const now = Date.now()
    const isAhead = `${WAITS_SINCE} > ?1`
    this.#file.run(
      `UPDATE jobs SET notBefore = min(notBefore - ?2, iif(${isAhead}, ?1 + notBefore - ${WAITS_SINCE}, notBefore)),
        expiresAt = min(expiresAt - ?2, ?1 + expiresAt - max(createdAt, ?1)), createdAt = min(createdAt, ?1),
        history = iif(${isAhead} AND history <> '[]',
          json_set(${KNOWN_HISTORY}, '$[#-1].endedAt', ${ISO('?1')}), history)
        WHERE seq IN (SELECT seq FROM jobs INDEXED BY jobsScheduled WHERE state = 'scheduled' UNION
          SELECT seq FROM jobs INDEXED BY jobsExpiring WHERE expiresAt IS NOT NULL AND state IN ('queued', 'scheduled'))
          AND ${WAITS_SINCE} NOT BETWEEN ?3 AND ?1`,
      now,
      byMs,
      since,
    )
  }

  /** Was the clock set back since the last process ended? */
  #wasSetBack(): boolean {
    const accepted = 'SELECT createdAt AS at FROM jobs ORDER BY seq DESC LIMIT 1'
    const finished = 'SELECT max(finishedAt) AS at FROM jobs WHERE finishedAt IS NOT NULL'
    return [accepted, finished].some((sql) => (this.#file.get<{ at: number | null }>(sql)?.at ?? 0) > Date.now())
  }

  /** Ends the attempts of the last process, which all count (P3). Returns how many. */
  recover(): number {
    if (this.#wasSetBack()) this.clockSetBack(0, 0)
    const running = this.#lists.inState('running', Number.MAX_SAFE_INTEGER)
    for (const { id, attempts, maxAttempts } of running) {
      if (attempts < maxAttempts) this.retry(id, attempts, SERVER_ENDED, Date.now())
      else this.finish(id, attempts, { state: 'failed', error: SERVER_ENDED })
    }
    return running.length
  }
}
