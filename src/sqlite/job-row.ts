/** A job as a row of the table `jobs`, and how the row becomes a job. */
import { JOB_STATES, type JobState } from '../contract/states.ts'
import { type Attempt, type Job, type JobError, timestamp, timestampOrNull } from '../jobs/job.ts'
import type { DatabaseFile } from './database-file.ts'
import { isUnavailable } from './storage-errors.ts'

const COLUMNS = `id, service, method, state, attempts, maxAttempts, priority, createdAt, startedAt, finishedAt,
  begunAt, notBefore, expiresAt, history, result, error, traceparent`

/** Times are milliseconds since the epoch. */
export interface Row {
  id: string
  service: string
  method: string
  state: JobState
  attempts: number
  maxAttempts: number
  priority: number
  createdAt: number
  startedAt: number | null
  finishedAt: number | null
  /** When the running attempt began, or the attempt that the job ended with. */
  begunAt: number | null
  notBefore: number | null
  expiresAt: number | null
  /** JSON text: the attempts before that one. */
  history: string
  result: string | null
  error: string | null
  traceparent: string | null
}

/** The job of a row. If the row cannot be read at all, the job is shown as failed: so it can be deleted. */
export function readJob({ get }: DatabaseFile, where: 'seq = ?' | 'id = ?', value: number | string): Job | undefined {
  try {
    const row = get<Row>(`SELECT ${COLUMNS} FROM jobs WHERE ${where}`, value)
    return row && toJob(row)
  } catch (error) {
    if (isUnavailable(error)) throw error
    const row = get<Pick<Row, 'id' | 'service' | 'method'>>(
      `SELECT id, service, method FROM jobs WHERE ${where}`,
      value,
    )
    return row && damagedJob(row, error as Error)
  }
}

function damagedJob({ id, service, method }: Pick<Row, 'id' | 'service' | 'method'>, { message }: Error): Job {
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
  }
}

function toJob(row: Row): Job {
  if (!JOB_STATES.includes(row.state)) throw new Error(`${JSON.stringify(row.state)} is not a state`)
  const error = row.error === null ? null : errorOf(row.error)
  return {
    id: row.id,
    service: row.service,
    method: row.method,
    state: row.state,
    attempts: row.attempts,
    history: historyOf(row, error),
    maxAttempts: row.maxAttempts,
    priority: row.priority,
    progress: null,
    createdAt: timestamp(row.createdAt),
    startedAt: timestampOrNull(row.startedAt),
    finishedAt: timestampOrNull(row.finishedAt),
    notBefore: timestampOrNull(row.notBefore),
    expiresAt: timestampOrNull(row.expiresAt),
    result: row.result,
    error,
    traceparent: row.traceparent,
  }
}

/** The error of a job that did not succeed. */
export function errorOf(text: string): JobError {
  const error = parsed(text)
  return isError(error) ? error : { code: 'INTERNAL', message: 'the record of the error is damaged' }
}

function historyOf({ history, attempts, begunAt, finishedAt }: Row, error: JobError | null): Attempt[] {
  const before = parsed(history)
  const attemptsBefore = Array.isArray(before) ? before.filter(isAttempt) : []
  if (begunAt === null) return attemptsBefore
  const last: Attempt = { number: attempts, startedAt: timestamp(begunAt) }
  if (finishedAt !== null) Object.assign(last, { endedAt: timestamp(finishedAt) }, error !== null && { error })
  return [...attemptsBefore, last]
}

/** `undefined` if it is damaged. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isError(value: unknown): value is JobError {
  const { code, message } = (value ?? {}) as Partial<JobError>
  return typeof code === 'string' && typeof message === 'string'
}

function isAttempt(value: unknown): value is Attempt {
  const { number, startedAt, error } = (value ?? {}) as Partial<Attempt>
  return typeof number === 'number' && typeof startedAt === 'string' && (error === undefined || isError(error))
}
