/** A job as a row of the table `jobs`. */
import { type Job, timestamp } from '../jobs/job.ts'
import { type StoredJob, toJob } from '../jobs/stored-job.ts'
import type { DatabaseFile } from './database-file.ts'
import { isUnavailable } from './storage-errors.ts'

const COLUMNS = `id, service, method, state, attempts, maxAttempts, priority, createdAt, startedAt, finishedAt,
  begunAt, notBefore, expiresAt, history, result, error, traceparent, schedule`

/** The job of a row. If the row cannot be read at all, the job is shown as failed: so it can be deleted. */
export function readJob({ get }: DatabaseFile, where: 'seq = ?' | 'id = ?', value: number | string): Job | undefined {
  try {
    const row = get<StoredJob>(`SELECT ${COLUMNS} FROM jobs WHERE ${where}`, value)
    return row && toJob(row)
  } catch (error) {
    if (isUnavailable(error)) throw error
    const row = get<Pick<StoredJob, 'id' | 'service' | 'method'>>(
      `SELECT id, service, method FROM jobs WHERE ${where}`,
      value,
    )
    return row && damagedJob(row, error as Error)
  }
}

function damagedJob({ id, service, method }: Pick<StoredJob, 'id' | 'service' | 'method'>, { message }: Error): Job {
  const at = timestamp(0)
  return {
    id,
    service,
    method,
    state: 'failed',
    attempts: 0,
    history: [],
    maxAttempts: 1,
    priority: 0,
    progress: null,
    createdAt: at,
    startedAt: null,
    finishedAt: at,
    notBefore: null,
    expiresAt: null,
    result: null,
    error: { code: 'INTERNAL', message: `the record of this job is damaged: ${message}` },
    traceparent: null,
    schedule: null,
  }
}
