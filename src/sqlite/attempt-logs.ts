/**
 * What the failed attempts of jobs have logged last. Runs in the journal's process, inside the transaction of a group. They
 * are kept of as many attempts as the history of a job holds, and deleted with the job.
 */
import type { DatabaseFile } from './database-file.ts'
import { MAX_HISTORY } from '../jobs/store-limits.ts'

export class AttemptLogs {
  readonly #file: DatabaseFile

  constructor(file: DatabaseFile) {
    this.#file = file
  }

  /** @param log lines of JSON */
  add(id: string, attempt: number, log: string): void {
    const job = '(SELECT seq FROM jobs WHERE id = ?)'
    this.#file.run(`INSERT OR REPLACE INTO attemptLogs (seq, attempt, log) VALUES (${job}, ?, ?)`, id, attempt, log)
    if (attempt <= MAX_HISTORY) return
    this.#file.run(`DELETE FROM attemptLogs WHERE seq = ${job} AND attempt <= ?`, id, attempt - MAX_HISTORY)
  }

  of(id: string): string[] {
    const sql = `SELECT log FROM attemptLogs WHERE seq = (SELECT seq FROM jobs WHERE id = ?) ORDER BY attempt`
    return this.#file.all<{ log: string }>(sql, id).map(({ log }) => log)
  }
}
