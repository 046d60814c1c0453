/** The record of one cast: what it was given, what became of it, and each attempt on the way. */
import type { ThreadplaneError, WireError } from '../errors.ts'
import { uuidv7 } from '../uuidv7.ts'

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
export interface NewJob extends Pick<Job, 'service' | 'method' | 'payload' | 'maxAttempts' | 'priority'> {
  createdAt: number
  notBefore?: number | undefined
  expiresAt?: number | undefined
  traceparent?: string | undefined
}

/** A job of which nothing has become yet. */
export function newJob(given: NewJob): Job {
  const { service, method, payload, maxAttempts, priority, createdAt, notBefore, expiresAt, traceparent } = given
  return {
    id: uuidv7(),
    service,
    method,
    payload,
    state: 'queued',
    attempts: 0,
    history: [],
    maxAttempts,
    priority,
    progress: null,
    createdAt: timestamp(createdAt),
    startedAt: null,
    finishedAt: null,
    notBefore: notBefore === undefined ? null : timestamp(notBefore),
    expiresAt: expiresAt === undefined ? null : timestamp(expiresAt),
    result: null,
    error: null,
    traceparent: traceparent ?? null,
  }
}

function timestamp(at: number): string {
  return new Date(at).toISOString()
}

/** Of an attempt that was under way when the process ended: that is the fault of no job in particular. */
export const SERVER_ENDED: JobError = { code: 'THREAD_DIED', message: 'the server ended during the attempt' }

export function isFinished(job: Job): boolean {
  return OUTCOMES.has(job.state)
}

export function toJobError(error: ThreadplaneError): JobError {
  const { cause } = error as { cause?: Error & { code?: unknown } }
  return {
    code: error.code,
    message: error.message,
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
