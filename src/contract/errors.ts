/**
 * The errors of threadplane: one table of codes (P6), the error class, and the form in which errors cross threads.
 *
 * Structured clone drops `name` and `code` of an error, so an error is sent as an explicit {@link WireError}.
 */

/**
 * Code → HTTP status, title, and whether the same request may succeed later. A test compares README with this table.
 */
export const ERRORS = {
  MALFORMED_BODY: { status: 400, title: 'The body is not well-formed', retryable: false },
  MALFORMED_HEADER: { status: 400, title: 'A header is not well-formed', retryable: false },
  MALFORMED_QUERY: { status: 400, title: 'The query string is not well-formed', retryable: false },
  UNAUTHORIZED: { status: 401, title: 'A token is needed', retryable: false },
  FORBIDDEN: { status: 403, title: 'Not allowed', retryable: false },
  ROUTE_NOT_FOUND: { status: 404, title: 'No such route', retryable: false },
  SERVICE_NOT_FOUND: { status: 404, title: 'No such service', retryable: false },
  METHOD_NOT_FOUND: { status: 404, title: 'No such method', retryable: false },
  JOB_NOT_FOUND: { status: 404, title: 'No such job', retryable: false },
  SCHEDULE_NOT_FOUND: { status: 404, title: 'No such schedule', retryable: false },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The route does not take this HTTP method', retryable: false },
  REQUEST_TIMEOUT: { status: 408, title: 'The request did not arrive in time', retryable: true },
  ALREADY_STARTED: { status: 409, title: 'The service is started already', retryable: false },
  CONFLICT: { status: 409, title: 'Not possible in the present state', retryable: false },
  JOB_CANCELLED: { status: 409, title: 'The job was cancelled', retryable: false },
  JOB_EXPIRED: { status: 409, title: 'The job expired before it could run', retryable: false },
  PRECONDITION_FAILED: { status: 412, title: 'The precondition of the request does not hold', retryable: false },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'The payload is too large', retryable: false },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The media type is not supported', retryable: false },
  RANGE_NOT_SATISFIABLE: { status: 416, title: 'The range is not a part of the file', retryable: false },
  VALIDATION_FAILED: { status: 422, title: 'The payload was refused by its schema', retryable: false },
  MODULE_REFUSED: { status: 422, title: 'The module cannot be used', retryable: false },
  IDEMPOTENCY_MISMATCH: { status: 422, title: 'The idempotency key belongs to another payload', retryable: false },
  QUOTA_EXCEEDED: { status: 429, title: 'The quota is used up', retryable: true },
  METHOD_FAILED: { status: 500, title: 'The method threw an error', retryable: true },
  RESULT_NOT_SERIALIZABLE: { status: 500, title: 'The result cannot be sent', retryable: false },
  RESULT_INVALID: { status: 500, title: 'The result was refused by its schema', retryable: false },
  START_FAILED: { status: 500, title: 'The service did not start', retryable: true },
  INTERNAL: { status: 500, title: 'Internal error', retryable: false },
  THREAD_DIED: { status: 502, title: 'The thread died under the call', retryable: true },
  SERVICE_NOT_RUNNING: { status: 503, title: 'The service is not running', retryable: true },
  QUEUE_FULL: { status: 503, title: 'The queue is full', retryable: true },
  TOO_MANY_CONNECTIONS: { status: 503, title: 'Too many connections', retryable: true },
  SHUTTING_DOWN: { status: 503, title: 'The server is shutting down', retryable: true },
  JOURNAL_UNAVAILABLE: { status: 503, title: 'The journal cannot be written', retryable: true },
  DEADLINE_EXCEEDED: { status: 504, title: 'The deadline passed', retryable: true },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>

export type ErrorCode = keyof typeof ERRORS

/** Why a part of a payload was refused, with the RFC 6901 pointer to that part. */
export interface PayloadIssue {
  pointer: string
  message: string
}

/** Further members of an error; they have the same names in the problem document. */
export interface ErrorFacts {
  cause?: unknown
  service?: string
  method?: string
  jobId?: string
  /** True if the method had begun. */
  started?: boolean
  errors?: PayloadIssue[]
  /** Overrides the table: a method can say that its error is permanent. */
  retryable?: boolean
  /** Seconds after which a retry makes sense; sent as `Retry-After`. */
  retryAfterSeconds?: number
}

/** How soon a client may try again, in seconds, where nothing better is known. */
export const RETRY_AFTER_SECONDS = 5

/** An error of threadplane's own. `code` is a key of {@link ERRORS}. */
export class ThreadplaneError extends Error {
  override readonly name = 'ThreadplaneError'
  readonly code: ErrorCode
  readonly facts: Omit<ErrorFacts, 'cause'>

  constructor(code: ErrorCode, detail: string, { cause, ...facts }: ErrorFacts = {}) {
    super(detail, cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = facts
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  get retryable(): boolean {
    return this.facts.retryable ?? ERRORS[this.code].retryable
  }
}

export function hasCode<Code extends ErrorCode>(
  error: unknown,
  code: Code,
): error is ThreadplaneError & { code: Code } {
  return error instanceof ThreadplaneError && error.code === code
}

/** Notes that a module threw this error at its import, and would throw it again. */
export function markUnloadable(error: Error): void {
  Object.defineProperty(error, 'unloadable', { value: true })
}

/** A module can never be loaded: it is refused, has no valid syntax, or imports what is not there. */
export function isUnloadable(error: unknown): error is Error {
  return hasCode(error, 'MODULE_REFUSED') || (error instanceof Error && read(error, 'unloadable') === true)
}

/** An error as it is sent to another thread, or stored with a job. */
export interface WireError {
  name: string
  message: string
  code?: string
  stack?: string
  cause?: WireError
  /** See {@link isUnloadable}. */
  unloadable?: true
  /** Set on a {@link ThreadplaneError}. */
  facts?: Omit<ErrorFacts, 'cause'>
}

const MAX_CAUSES = 8
const MAX_TEXT = 16_384
/** Longest JSON of {@link ErrorFacts}. The issues of a refused payload take most of it. */
const MAX_FACTS = 262_144

/** Reads a property of a thrown value. A proxy or getter that throws counts as `undefined`. */
function read(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

/**
 * The facts of a {@link ThreadplaneError}. A proxy can throw at `instanceof`, and a fact can be a value without JSON.
 */
function factsOf(thrown: object): WireError['facts'] {
  try {
    if (!(thrown instanceof ThreadplaneError)) return undefined
    const facts = JSON.stringify(thrown.facts)
    return facts.length <= MAX_FACTS ? JSON.parse(facts) : {}
  } catch {
    return undefined
  }
}

function describeThrown(value: unknown): string {
  try {
    return typeof value === 'string' ? value : `${JSON.stringify(value) ?? String(value)} was thrown`
  } catch {
    return 'a value that cannot be shown was thrown'
  }
}

/** Makes a {@link WireError} of any thrown value. Keeps name, message, code, stack, and causes to a depth of 8. */
export function toWireError(thrown: unknown, depth = 0): WireError {
  if (typeof thrown !== 'object' || thrown === null || typeof read(thrown, 'message') !== 'string') {
    return { name: 'Error', message: describeThrown(thrown).slice(0, MAX_TEXT) }
  }
  const text = (key: string) => {
    const value = read(thrown, key)
    return typeof value === 'string' ? value.slice(0, MAX_TEXT) : undefined
  }
  const wire: WireError = { name: text('name') ?? 'Error', message: text('message') ?? '' }
  const code = read(thrown, 'code')
  if (typeof code === 'string' || typeof code === 'number') wire.code = String(code).slice(0, MAX_TEXT)
  const stack = text('stack')
  if (stack !== undefined) wire.stack = stack
  const cause = read(thrown, 'cause')
  if (cause !== undefined && depth < MAX_CAUSES) wire.cause = toWireError(cause, depth + 1)
  if (read(thrown, 'unloadable') === true) wire.unloadable = true
  const facts = factsOf(thrown)
  if (facts !== undefined) wire.facts = facts
  return wire
}

/** Makes an `Error` of a {@link WireError}: a {@link ThreadplaneError}, if it was one. */
export function fromWireError(wire: WireError): Error {
  const cause = wire.cause === undefined ? undefined : fromWireError(wire.cause)
  if (wire.facts !== undefined && wire.code !== undefined && Object.hasOwn(ERRORS, wire.code)) {
    const error = new ThreadplaneError(wire.code as ErrorCode, wire.message, { ...wire.facts, cause })
    if (wire.stack !== undefined) error.stack = wire.stack
    return error
  }
  const error = new Error(wire.message, cause === undefined ? undefined : { cause })
  Object.defineProperty(error, 'name', { value: wire.name, configurable: true, writable: true })
  if (wire.code !== undefined) Object.assign(error, { code: wire.code })
  if (wire.unloadable) markUnloadable(error)
  if (wire.stack !== undefined) error.stack = wire.stack
  return error
}
