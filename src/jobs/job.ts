/** The record of one cast: what it was given, what became of it, and each attempt on the way. */
import type { ThreadplaneError, WireError } from '../contract/errors.ts'

export const JOB_STATES = ['scheduled', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired'] as const
export type JobState = (typeof JOB_STATES)[number]

/** The states a job ends in: exactly one of them, once (P3). */
const OUTCOMES = new Set<JobState>(['succeeded', 'failed', 'cancelled', 'expired'])

export interface Attempt {
  number: number
  startedAt: string
  endedAt?: string
  error?: JobError
}

export interface JobProgress {
  /** 0 to 1. */
  fraction: number
  note?: string
}

export interface JobError {
  code: string
  message: string
  /** Only where the method said so. */
  retryable?: false
  /** What the method threw, if it did. */
  cause?: Pick<WireError, 'name' | 'message' | 'code'>
  /** What the thread's schema refused. */
  errors?: { pointer: string; message: string }[]
}

/** Timestamps are RFC 3339, in UTC. */
export interface Job {
  id: string
  service: string
  method: string
  /** JSON text; empty where it was not asked for. */
  payload: string
  state: JobState
  attempts: number
  history: Attempt[]
  maxAttempts: number
  priority: number
  progress: JobProgress | null
  createdAt: string
  startedAt: string | null
  finishedAt: string | null
  /** Not run before. */
  notBefore: string | null
  /** Not begun after. */
  expiresAt: string | null
  /** JSON text. */
  result: string | null
  error: JobError | null
  traceparent: string | null
}

/** What is known of a job when it is cast. Times are milliseconds since the epoch. */
export interface NewJob
  extends Pick<Job, 'id' | 'service' | 'method' | 'payload' | 'maxAttempts' | 'priority' | 'traceparent'> {
  createdAt: number
  notBefore: number | null
  expiresAt: number | null
}

/** A job that has just been kept, without its payload. Its first attempt may have begun in the same transaction. */
export function keptJob(given: NewJob, state: JobState, begunAt: number | null): Job {
  const { id, service, method, maxAttempts, priority, createdAt, notBefore, expiresAt, traceparent } = given
  const startedAt = timestampOrNull(begunAt)
  return {
    id,
    service,
    method,
    payload: '',
    state,
    attempts: startedAt === null ? 0 : 1,
    history: startedAt === null ? [] : [{ number: 1, startedAt }],
    maxAttempts,
    priority,
    progress: null,
    createdAt: timestamp(createdAt),
    startedAt,
    finishedAt: null,
    notBefore: timestampOrNull(notBefore),
    expiresAt: timestampOrNull(expiresAt),
    result: null,
    error: null,
    traceparent,
  }
}

/** Of the last one asked for: tens of jobs are of the same millisecond, and its text costs a microsecond. */
let lastAt = Number.NaN
let lastTimestamp = ''

/** Milliseconds since the epoch in RFC 3339, in UTC. */
export function timestamp(at: number): string {
  if (at !== lastAt) {
    lastTimestamp = new Date(at).toISOString()
    lastAt = at
  }
  return lastTimestamp
}

export function timestampOrNull(at: number | null): string | null {
  return at === null ? null : timestamp(at)
}

/** Of an attempt that was under way when the process ended: that is the fault of no job in particular. */
export const SERVER_ENDED: JobError = { code: 'THREAD_DIED', message: 'the server ended during the attempt' }

export const CANCELLED: JobError = { code: 'JOB_CANCELLED', message: 'the job was cancelled' }

export function isFinished(job: Job): boolean {
  return OUTCOMES.has(job.state)
}

export function toJobError(error: ThreadplaneError): JobError {
  const { cause } = error as { cause?: Error & { code?: unknown } }
  return {
    code: error.code,
    message: error.message,
    ...(error.facts.retryable === false && { retryable: false }),
    ...(cause instanceof Error && {
      cause: {
        name: cause.name,
        message: cause.message,
        ...(typeof cause.code === 'string' && { code: cause.code }),
      },
    }),
    ...(error.facts.errors !== undefined && { errors: error.facts.errors }),
  }
}
