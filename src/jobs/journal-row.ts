/** A job as the journal's table has it, and as everybody else does. */
import type { Job, JobError, JobState } from './job.ts'

export const COLUMNS = `seq, id, service, method, state, attempts, maxAttempts, priority, createdAt, startedAt, finishedAt,
  notBefore, expiresAt, history, result, error, traceparent`

/** Times are milliseconds since the epoch. */
export interface Row {
  seq: number
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
  notBefore: number | null
  expiresAt: number | null
  history: string
  result: string | null
  error: string | null
  traceparent: string | null
  payload?: string
}

export function toJob({ seq: _seq, payload = '', history, error, ...row }: Row): Job {
  return {
    ...row,
    payload,
    history: JSON.parse(history) as Job['history'],
    progress: null,
    createdAt: iso(row.createdAt),
    startedAt: isoOrNull(row.startedAt),
    finishedAt: isoOrNull(row.finishedAt),
    notBefore: isoOrNull(row.notBefore),
    expiresAt: isoOrNull(row.expiresAt),
    error: error === null ? null : (JSON.parse(error) as JobError),
  }
}

export function iso(at: number): string {
  return new Date(at).toISOString()
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at)
}
