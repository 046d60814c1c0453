/** The record of one cast: its request, its state, each of its attempts, and its result or error. */
import type { JobState } from '../contract/states.ts'
import { type ErrorView, ThreadplaneError, viewOfError } from '../contract/errors.ts'

export type StateCounts = Record<JobState, number>

/** A job ends in exactly one of these states, once (P3). */
const OUTCOMES = new Set<JobState>(['succeeded', 'failed', 'cancelled', 'expired'])

export interface Attempt {
  number: number
  startedAt: string
  endedAt?: string
  /** The name of the node that ran it, where several servers share the store. */
  node?: string
  error?: JobError
}

export interface JobProgress {
  /** 0 to 1. */
  fraction: number
  note?: string
}

export interface JobError {
  code: string
  /** Says more than the code. With THREAD_DIED, SERVER_ENDED: the whole server ended. With METHOD_REFUSED: the method's own code. */
  reason?: string
  /** With METHOD_REFUSED: the HTTP status that the method chose. */
  status?: number
  message: string
  /** Present only if the method said that a retry is useless. */
  retryable?: false
  /** The error that the method threw. */
  cause?: ErrorView
  /** The parts of the payload that the thread's schema refused. */
  errors?: { pointer: string; message: string }[]
}

/** Timestamps are RFC 3339, in UTC. */
export interface Job {
  id: string
  service: string
  method: string
  state: JobState
  attempts: number
  history: Attempt[]
  maxAttempts: number
  priority: number
  progress: JobProgress | null
  createdAt: string
  startedAt: string | null
  finishedAt: string | null
  /** The job does not run before this time. */
  notBefore: string | null
  /** The job does not begin after this time. */
  expiresAt: string | null
  /** JSON text. */
  result: string | null
  error: JobError | null
  traceparent: string | null
  /** The schedule of its service that cast it. */
  schedule: string | null
}

/** A job as it is cast. Times are milliseconds since the epoch. */
export interface NewJob
  extends Pick<Job, 'id' | 'service' | 'method' | 'maxAttempts' | 'priority' | 'traceparent' | 'schedule'> {
  /** JSON text. */
  payload: string
  createdAt: number
  notBefore: number | null
  expiresAt: number | null
}

/** The record of a new job, without its payload. `begunAt`: when its first attempt began, if it did; `node`: where. */
export function newJobRecord(given: NewJob, state: JobState, begunAt: number | null, node: string | null = null): Job {
  const { id, service, method, maxAttempts, priority, createdAt, notBefore, expiresAt } = given
  const startedAt = timestampOrNull(begunAt)
  return {
    id,
    service,
    method,
    state,
    attempts: startedAt === null ? 0 : 1,
    history: startedAt === null ? [] : [{ number: 1, startedAt, ...(node !== null && { node }) }],
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
    traceparent: given.traceparent,
    schedule: given.schedule,
  }
}

/** The last result of `timestamp`: tens of jobs share a millisecond, and making the text costs a microsecond. */
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

/** Ends a job whose time passed before it could run. */
export const EXPIRED: JobError = { code: 'JOB_EXPIRED', message: 'its ttlMs passed before it could run' }

/** Ends an attempt that was running when the server ended. No job in particular is the cause. */
export const SERVER_ENDED: JobError = {
  code: 'THREAD_DIED',
  reason: 'SERVER_ENDED',
  message: 'the server ended during the attempt',
}

export const CANCELLED: JobError = { code: 'JOB_CANCELLED', message: 'the job was cancelled' }

export function isFinished(job: Job): boolean {
  return OUTCOMES.has(job.state)
}

export function jobNotFound(id: string): ThreadplaneError {
  return new ThreadplaneError('JOB_NOT_FOUND', `there is no job ${JSON.stringify(id)}`)
}

export function toJobError(error: ThreadplaneError): JobError {
  const { reason, status, errors, retryable } = error.facts
  return {
    code: error.code,
    ...(reason !== undefined && { reason }),
    ...(status !== undefined && { status }),
    message: error.message,
    ...(retryable === false && { retryable: false }),
    ...(error.cause instanceof Error && { cause: viewOfError(error.cause, false) }),
    ...(errors !== undefined && { errors }),
  }
}
