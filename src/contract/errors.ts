/**
 * The errors of threadplane: one table of codes (P6), the error class, and the form in which errors cross threads.
 *
 * Structured clone drops `name` and `code` of an error, so an error is sent as an explicit {@link WireError}.
 */

/**
 * Code → HTTP status, title, and whether the same request may succeed later. A test compares docs/http-api.md.
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
  NODE_NOT_FOUND: { status: 404, title: 'No such node', retryable: false },
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
  METHOD_REFUSED: { status: 422, title: 'The method refused the request', retryable: false },
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
  TOO_MANY_BODIES: { status: 503, title: 'Too many bodies are under way', retryable: true },
  TOO_MANY_STREAMS: { status: 503, title: 'Too many streams are open', retryable: true },
  NODE_UNREACHABLE: { status: 503, title: 'Another node does not answer', retryable: true },
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

/** A `MethodProblem`: what the method answers instead of a result. `status` is 400 to 499. */
export interface MethodRefusal {
  status: number
  message: string
  reason?: string
  title?: string
  errors?: PayloadIssue[]
  retryable: boolean
  retryAfterSeconds?: number
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
  /** With METHOD_REFUSED: the code, the status and the title that the method chose. */
  reason?: string
  status?: number
  title?: string
  /** Overrides the table: a method can say that its error is permanent. */
  retryable?: boolean
  /** Seconds after which a retry makes sense; sent as `Retry-After`. */
  retryAfterSeconds?: number
}

/** How soon a client may try again, in seconds, where nothing better is known. */
export const RETRY_AFTER_SECONDS = 5

/** In a thread, the class that a module imports may be another copy than ours. */
const OURS = Symbol.for('threadplane.error')

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
    return this.facts.status ?? ERRORS[this.code].status
  }

  get retryable(): boolean {
    return this.facts.retryable ?? ERRORS[this.code].retryable
  }
}
Object.defineProperty(ThreadplaneError.prototype, OURS, { value: true })

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

/** The module has refused the `config` that the service was registered with. */
export function isRefusedConfig(error: unknown): error is ThreadplaneError {
  return hasCode(error, 'VALIDATION_FAILED') && isUnloadable(error)
}

/** One line for the log, of an error that is {@link isUnloadable}. */
export function textOfUnloadable(service: string, error: Error): string {
  const what = isRefusedConfig(error) ? `${service} does not start` : `the module of ${service} cannot be loaded`
  return `${what}: ${error.message.split('\n', 1)[0]}`
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
  /** The errors of an `AggregateError`. */
  errors?: WireError[]
  /** Set on a {@link ThreadplaneError}. */
  facts?: Omit<ErrorFacts, 'cause'>
}

/** Errors that are sent with one error: causes, and the errors of an `AggregateError`, at any depth. */
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
 * The facts of a {@link ThreadplaneError}. A proxy can throw at `in`, and a fact can be a value without JSON.
 */
function factsOf(thrown: object): WireError['facts'] {
  try {
    if (!(OURS in thrown)) return undefined
    const facts = JSON.stringify(read(thrown, 'facts')) as string
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

/**
 * Makes a {@link WireError} of any thrown value. Keeps name, message, code, stack, causes, and the errors of an
 * `AggregateError`: the first 8 of them, nearest first.
 */
export function toWireError(thrown: unknown): WireError {
  const root = shallow(thrown)
  const open = [{ thrown, wire: root }]
  let left = MAX_CAUSES
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const { thrown, wire } = next
    if (typeof thrown !== 'object' || thrown === null) continue
    const take = (value: unknown) => {
      left -= 1
      const inner = { thrown: value, wire: shallow(value) }
      open.push(inner)
      return inner.wire
    }
    const cause = read(thrown, 'cause')
    if (cause !== undefined && left > 0) wire.cause = take(cause)
    const errors = read(thrown, 'errors')
    if (isAggregate(thrown, errors)) wire.errors = errors.slice(0, left).map(take)
  }
  return root
}

function isAggregate(thrown: object, errors: unknown): errors is unknown[] {
  try {
    return Array.isArray(errors) && thrown instanceof Error && errors.length > 0 && errors[0] instanceof Error
  } catch {
    return false
  }
}

/** The error without those that it contains. */
function shallow(thrown: unknown): WireError {
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
  if (read(thrown, 'unloadable') === true) wire.unloadable = true
  const facts = factsOf(thrown)
  if (facts !== undefined) wire.facts = facts
  return wire
}

/** Makes an `Error` of a {@link WireError}: a {@link ThreadplaneError} or an `AggregateError`, if it was one. */
export function fromWireError(wire: WireError): Error {
  const cause = wire.cause === undefined ? undefined : fromWireError(wire.cause)
  if (wire.facts !== undefined && wire.code !== undefined && Object.hasOwn(ERRORS, wire.code)) {
    const error = new ThreadplaneError(wire.code as ErrorCode, wire.message, { ...wire.facts, cause })
    if (wire.stack !== undefined) error.stack = wire.stack
    if (wire.unloadable) markUnloadable(error)
    return error
  }
  const options = cause === undefined ? undefined : { cause }
  const error =
    wire.errors === undefined
      ? new Error(wire.message, options)
      : new AggregateError(wire.errors.map(fromWireError), wire.message, options)
  Object.defineProperty(error, 'name', { value: wire.name, configurable: true, writable: true })
  if (wire.code !== undefined) Object.assign(error, { code: wire.code })
  if (wire.unloadable) markUnloadable(error)
  if (wire.stack !== undefined) error.stack = wire.stack
  return error
}

/** An error that a method threw, as clients see it: in a problem document, and in the error of a job. */
export type ErrorView = Omit<WireError, 'facts' | 'unloadable' | 'cause' | 'errors'> & {
  cause?: ErrorView
  errors?: ErrorView[]
}

export function viewOfError(error: unknown, showStack: boolean): ErrorView {
  const view = ({ name, message, code, stack, cause, errors }: WireError): ErrorView => ({
    name,
    message,
    ...(code !== undefined && { code }),
    ...(showStack && stack !== undefined && { stack }),
    ...(cause !== undefined && { cause: view(cause) }),
    ...(errors !== undefined && { errors: errors.map(view) }),
  })
  return view(toWireError(error))
}

/** `TypeError: no such luck`. An error without a message of its own is described by the errors that it contains. */
export function textOfError(error: Error): string {
  const { name, message, cause } = error
  if (message !== '') return `${name}: ${message}`
  const inner = error instanceof AggregateError ? error.errors : cause === undefined ? [] : [cause]
  if (inner.length === 0) return `${name} without a message`
  const texts = inner.slice(0, MAX_CAUSES).map((one) => (one instanceof Error ? textOfError(one) : describeThrown(one)))
  return `${name}: ${texts.join('; ')}`.slice(0, MAX_TEXT)
}
