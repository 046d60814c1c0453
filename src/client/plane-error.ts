/** The errors of the client: what a server has answered, or why there is no answer. */
import type { ErrorCode, ErrorView, PayloadIssue } from '../contract/errors.ts'
import type { Job as JobRecord } from '../../routes/schemas/job.ts'
import { retryAfterMs } from './retry-rules.ts'

/**
 * The codes that the client has beside those of the server.
 *
 * - `UNREACHABLE`: no connection. Nothing was done.
 * - `CONNECTION_LOST`: the connection ended before the end of the answer. What was asked may have been done.
 * - `TIMED_OUT`: `timeoutMs` has passed. What was asked may have been done.
 * - `INVALID_ANSWER`: the answer is not one of threadplane. Another server may be at that URL, or a proxy has answered.
 */
export type ClientCode = 'UNREACHABLE' | 'CONNECTION_LOST' | 'TIMED_OUT' | 'INVALID_ANSWER'

export interface PlaneErrorFacts {
  status: number
  code: ErrorCode | ClientCode
  retryable: boolean
  reason?: string | undefined
  started?: boolean | undefined
  errors?: PayloadIssue[] | undefined
  jobId?: string | undefined
  service?: string | undefined
  method?: string | undefined
  /** The error that a method threw. */
  error?: ErrorView | undefined
  retryAfterMs?: number | undefined
  cause?: unknown
}

export class PlaneError extends Error {
  override readonly name: string = 'PlaneError'
  /** The HTTP status of the answer; 0 without an answer. */
  readonly status: number
  readonly code: ErrorCode | ClientCode
  /** With METHOD_REFUSED: the code that the method chose. */
  readonly reason: string | undefined
  /** What went wrong, for a person; the `message` too. */
  readonly detail: string
  /** The same request may succeed later. */
  readonly retryable: boolean
  /** Whether the method had begun; `undefined` if nobody knows, or no method was asked for. */
  readonly started: boolean | undefined
  /** The refused parts of the payload. */
  readonly errors: PayloadIssue[] | undefined
  readonly jobId: string | undefined
  readonly service: string | undefined
  readonly method: string | undefined
  /** The error that the method threw, or that the start of the service failed with. */
  readonly error: ErrorView | undefined
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined

  constructor(detail: string, { cause, ...facts }: PlaneErrorFacts) {
    super(detail, cause === undefined ? undefined : { cause })
    this.detail = detail
    this.status = facts.status
    this.code = facts.code
    this.reason = facts.reason
    this.retryable = facts.retryable
    this.started = facts.started
    this.errors = facts.errors
    this.jobId = facts.jobId
    this.service = facts.service
    this.method = facts.method
    this.error = facts.error
    this.retryAfterMs = facts.retryAfterMs
  }
}

/** The job of a cast has ended as `failed`, `cancelled` or `expired`. Code, reason and errors are those of the job. */
export class JobFailedError extends PlaneError {
  override readonly name = 'JobFailedError'
  /** The whole record. */
  readonly job: JobRecord
  /** Each attempt, with its number, its times, and its error. */
  readonly history: JobRecord['history']

  constructor(job: JobRecord) {
    const { id, state, service, method, attempts } = job
    const error: NonNullable<JobRecord['error']> = job.error ?? { code: 'INTERNAL', message: `the job has ${state}` }
    super(error.message, {
      status: error.status ?? 0,
      code: error.code as ErrorCode,
      reason: error.reason,
      retryable: error.retryable ?? false,
      started: attempts > 0,
      errors: error.errors,
      jobId: id,
      service,
      method,
      error: error.cause,
    })
    this.job = job
    this.history = job.history
  }
}

/** What a problem document may have. */
type ProblemMembers = Partial<PlaneErrorFacts> & { detail?: string }

/** The error of a problem document, as text. */
export function errorOfProblem(status: number, text: string, retryAfter: string | null): PlaneError {
  const afterMs = retryAfterMs(retryAfter, Date.now())
  const problem = parseProblem(text)
  if (problem?.code === undefined) {
    const retryable = [408, 429, 502, 503, 504].includes(status)
    const facts = { status, code: 'INVALID_ANSWER', retryable, retryAfterMs: afterMs } as const
    return new PlaneError(`the answer has the status ${status} and is no problem document of threadplane`, facts)
  }
  const { detail = problem.code, code, retryable = false, reason, started, errors, jobId, service, method } = problem
  const facts = { code, retryable, reason, started, errors, jobId, service, method, error: problem.error }
  return new PlaneError(detail, { ...facts, status: problem.status ?? status, retryAfterMs: afterMs })
}

function parseProblem(text: string): ProblemMembers | undefined {
  try {
    const value = JSON.parse(text) as ProblemMembers | null
    return typeof value === 'object' && value !== null && typeof value.code === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

/** Codes of Node, at a failure before a connection was there. Browsers tell no code. */
const NO_CONNECTION = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** The error of a try that `fetch`, or the body of its answer, was rejected with. */
export function networkError(url: string, thrown: unknown): PlaneError {
  const { cause = thrown } = thrown as { cause?: unknown }
  const { code, message } = cause as { code?: string; message?: string }
  const why = [code, message].filter((part) => part !== undefined && part !== '').join(': ')
  if (code !== undefined && NO_CONNECTION.has(code)) {
    const facts = { status: 0, code: 'UNREACHABLE', retryable: true, started: false, cause: thrown } as const
    return new PlaneError(`no connection to ${url} (${why})`, facts)
  }
  const facts = { status: 0, code: 'CONNECTION_LOST', retryable: true, cause: thrown } as const
  return new PlaneError(`the connection to ${url} ended before the end of the answer (${why})`, facts)
}

/** May another try succeed, after a failure of the connection or of a server that comes or goes? */
export function isTransient(error: unknown): error is PlaneError {
  if (!(error instanceof PlaneError)) return false
  return error.status === 0 ? error.code !== 'INVALID_ANSWER' : [408, 429, 502, 503, 504].includes(error.status)
}
