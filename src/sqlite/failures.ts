/**
 * Failed jobs by the key of their error. Runs in the journal's process, inside the transaction of a group. A job is in the
 * table `failures` while it is `failed`: to group them costs as much as there are failures, however many jobs there are.
 */
import { errorKeyOf, faceOf } from '../jobs/error-key.ts'
import type { JobError } from '../jobs/job.ts'
import type { FailureGroup } from '../jobs/job-store.ts'
import { errorOf } from '../jobs/stored-job.ts'
import type { DatabaseFile } from './database-file.ts'
import { readJob } from './job-row.ts'
import type { JobLists } from './lists.ts'

/** Jobs of an older version that get their keys in one transaction. */
const STEP = 500

interface GroupRow {
  service: string
  method: string
  errorKey: string
  count: number
  firstAt: number
  lastAt: number
}

export class Failures {
  readonly #file: DatabaseFile
  readonly #lists: JobLists

  constructor(file: DatabaseFile, lists: JobLists) {
    this.#file = file
    this.#lists = lists
  }

  /** A job has failed. Its row says when. */
  add(id: string, error: JobError): void {
    this.#file.run(
      `INSERT OR REPLACE INTO failures (seq, service, method, errorKey, failedAt)
        SELECT seq, service, method, ?, finishedAt FROM jobs WHERE id = ?`,
      errorKeyOf(error),
      id,
    )
  }

  /** Before a job is queued again or deleted. */
  remove(id: string): void {
    this.#file.run('DELETE FROM failures WHERE seq = (SELECT seq FROM jobs WHERE id = ?)', id)
  }

  /** The groups whose last failure is the newest. */
  groups(limit: number, service?: string): FailureGroup[] {
    const sql = (where: string) => `SELECT service, method, errorKey, count(*) AS count, min(failedAt) AS firstAt,
      max(failedAt) AS lastAt FROM failures INDEXED BY failuresByKey ${where}
      GROUP BY service, method, errorKey ORDER BY lastAt DESC LIMIT ?`
    const rows =
      service === undefined
        ? this.#file.all<GroupRow>(sql(''), limit)
        : this.#file.all<GroupRow>(sql('WHERE service = ?'), service, limit)
    return rows.flatMap(({ errorKey: key, ...group }) => {
      const { service, method, lastAt } = group
      const newest = this.#file.get<{ seq: number }>(
        `SELECT max(seq) AS seq FROM failures INDEXED BY failuresByKey
          WHERE service = ? AND method = ? AND errorKey = ? AND failedAt = ?`,
        service,
        method,
        key,
        lastAt,
      )
      const job = readJob(this.#file, 'seq = ?', newest?.seq ?? 0)
      if (job === undefined) return []
      return { ...group, key, ...faceOf(job.error ?? errorOf('')), sampleJobId: job.id }
    })
  }

  /** Gives keys to jobs that failed before there were keys. Each step of the generator is one transaction. */
  *steps(): Generator<void> {
    const upTo = this.#file.get<{ upTo: number }>('SELECT upTo FROM failuresToKey')?.upTo
    if (upTo === undefined) return
    for (const { service, method } of this.#lists.kinds()) {
      for (let after: number | undefined = 0; after !== undefined; ) {
        after = this.#keyOld(service, method, after, upTo)
        yield
      }
    }
    this.#file.begin()
    this.#file.run('DELETE FROM failuresToKey')
    this.#file.commit()
  }

  /** Returns the last job of the step, or `undefined` if there are no more. */
  #keyOld(service: string, method: string, after: number, upTo: number): number | undefined {
    this.#file.begin()
    const rows = this.#file.all<{ seq: number; error: string | null; failedAt: number }>(
      `SELECT seq, error, coalesce(finishedAt, createdAt) AS failedAt FROM jobs INDEXED BY jobsByState
        WHERE service = ? AND method = ? AND state = 'failed' AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
      service,
      method,
      after,
      upTo,
      STEP,
    )
    for (const { seq, error, failedAt } of rows) {
      this.#file.run(
        'INSERT OR IGNORE INTO failures (seq, service, method, errorKey, failedAt) VALUES (?, ?, ?, ?, ?)',
        seq,
        service,
        method,
        errorKeyOf(errorOf(error ?? '')),
        failedAt,
      )
    }
    this.#file.commit()
    return rows.length < STEP ? undefined : rows.at(-1)?.seq
  }
}
