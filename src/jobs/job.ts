/** The record of one cast: what it was given, what became of it, and each attempt on the way. */
import type { ThreadplaneError, WireError } from '../errors.ts'

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
