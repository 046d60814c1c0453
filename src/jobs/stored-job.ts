/** A job as a store keeps it, and how that becomes the record that clients see. */
import { JOB_STATES, type JobState } from '../contract/states.ts'
import { type Attempt, type Job, type JobError, timestamp, timestampOrNull } from './job.ts'

/** Times are milliseconds since the epoch. */
export interface StoredJob {
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
  schedule: string | null
  /** The name of the node of the attempt that `begunAt` is of; absent where one server has the store for itself. */
  node?: string | null
}

export function toJob(row: StoredJob): Job {
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
    schedule: row.schedule,
  }
}

/** The error of a job that did not succeed. */
export function errorOf(text: string): JobError {
  const error = parsed(text)
  return isError(error) ? error : { code: 'INTERNAL', message: 'the record of the error is damaged' }
}

function historyOf({ history, attempts, begunAt, finishedAt, node }: StoredJob, error: JobError | null): Attempt[] {
  const before = parsed(history)
  const attemptsBefore = Array.isArray(before) ? before.filter(isAttempt) : []
  // A node of an older version wrote none.
  for (const attempt of attemptsBefore) if (attempt.node === null) delete attempt.node
  if (begunAt === null) return attemptsBefore
  const last: Attempt = { number: attempts, startedAt: timestamp(begunAt) }
  if (finishedAt !== null) last.endedAt = timestamp(finishedAt)
  if (node != null) last.node = node
  if (finishedAt !== null && error !== null) last.error = error
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
