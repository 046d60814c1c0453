/** A job as a row of the table `jobs`, and how the row becomes a job. */
import { type Attempt, type Job, type JobError, type JobState, timestamp, timestampOrNull } from '../jobs/job.ts'

export const COLUMNS = `id, service, method, state, attempts, maxAttempts, priority, createdAt, startedAt, finishedAt,
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

export function toJob(row: Row): Job {
  const error = row.error === null ? null : (JSON.parse(row.error) as JobError)
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

function historyOf({ history, attempts, begunAt, finishedAt }: Row, error: JobError | null): Attempt[] {
  const attemptsBefore = JSON.parse(history) as Attempt[]
  if (begunAt === null) return attemptsBefore
  const last: Attempt = { number: attempts, startedAt: timestamp(begunAt) }
  if (finishedAt !== null) Object.assign(last, { endedAt: timestamp(finishedAt) }, error !== null && { error })
  return [...attemptsBefore, last]
}
