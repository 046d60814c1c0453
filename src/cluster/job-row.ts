/** A job as a row of the table `jobs`, and SQL that several statements share. */
import type { Job } from '../jobs/job.ts'
import { MAX_HISTORY } from '../jobs/store-limits.ts'
import { type StoredJob, toJob } from '../jobs/stored-job.ts'
import { NOW } from './store-clock.ts'
import { type Run, statement } from './statement.ts'

export const COLUMNS = `jobs.seq, jobs.id::text AS id, jobs.service, jobs.method, jobs.state, jobs.attempts,
  jobs.max_attempts AS "maxAttempts", jobs.priority, jobs.created_at AS "createdAt", jobs.started_at AS "startedAt",
  jobs.finished_at AS "finishedAt", jobs.begun_at AS "begunAt", jobs.not_before AS "notBefore",
  jobs.expires_at AS "expiresAt", '[' || array_to_string(jobs.history, ',') || ']' AS history, jobs.result, jobs.error,
  jobs.traceparent, jobs.schedule, jobs.node_name AS "node"`

/** Columns of a `WaitingJob`. */
export const IN_SHORT = `jobs.id::text AS id, jobs.service, jobs.method, jobs.attempts,
  jobs.max_attempts AS "maxAttempts", jobs.priority`

const ISO = (at: string) => `to_char(to_timestamp(${at} / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** SQL of the history with the present attempt added. Takes SQL of when it ended, in milliseconds, and of its error. */
export const HISTORY = (endedAt: string, error: string) => `(CASE WHEN cardinality(jobs.history) >= ${MAX_HISTORY}
    THEN jobs.history[2:] ELSE jobs.history END) || json_build_object('number', jobs.attempts,
    'startedAt', ${ISO('jobs.begun_at')}, 'endedAt', ${ISO(endedAt)}, 'node', jobs.node_name,
    'error', (${error})::json)::text`

/** SQL of the end of a job that waits: it takes SQL of the state, and of the error. */
export const END_WAITING = (state: string, error: string) => `UPDATE jobs SET state = '${state}', finished_at = ${NOW},
  error = ${error}, cancel = false`

export type Row = StoredJob & { seq: number }

export const toJobs = (rows: Row[]): Job[] => rows.map(toJob)

const GET_JOB = statement('getJob', `SELECT ${COLUMNS} FROM jobs WHERE id = $1`)

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i

/** An id that is none is that of no job; the database would refuse it. */
export function isId(id: string): boolean {
  return UUID.test(id)
}

export async function readJob(run: Run, id: string): Promise<Job | undefined> {
  if (!isId(id)) return undefined
  const { rows } = await run<Row>(GET_JOB, [id])
  return rows[0] && toJob(rows[0])
}
