/**
 * Calls, as the routes know them. A route asks the invoker and holds an invocation: wherever the method runs, that is all
 * that the route sees of it.
 */
import type { ErrorCode, ThreadplaneError } from '../contract/errors.ts'

export interface CallRequest {
  /** A `BytePayload`, or the value of the JSON body. */
  payload: unknown
  /** The JSON text of the body: this is what goes to the thread. */
  text: string
  /** Milliseconds from now. Default: the method's `timeoutMs`. */
  timeoutMs?: number | undefined
  traceparent?: string | undefined
}

/** One call under way. */
export interface Invocation {
  /** Called for each item of a stream with its JSON text; `cost` is to be given back by `credit`. */
  onItem: ((item: unknown, cost: number) => void) | undefined
  /** Called once, with an error or with the result: JSON text, or bytes. Called at once if the call has settled. */
  whenSettled(listener: (error: ThreadplaneError | undefined, result: unknown) => void): void
  /** The client has taken an item: the thread may send as much more. */
  credit(cost: number): void
  /** Settles the call with this error and fires the handler's signal. Does nothing once the call has settled. */
  abort(code: ErrorCode, detail: string): void
}

export interface Invoker {
  /**
   * @throws SERVICE_NOT_FOUND, METHOD_NOT_FOUND, UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, VALIDATION_FAILED,
   * SERVICE_NOT_RUNNING, QUEUE_FULL
   */
  call(service: string, method: string, request: CallRequest): Invocation
}
