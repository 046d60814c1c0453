/**
 * The messages between the control thread and a service's thread: one interface each, grouped by sender. Pure.
 *
 * | sender         | message     | says                                                                          |
 * | -------------- | ----------- | ----------------------------------------------------------------------------- |
 * | control thread | `start`     | run the hooks of the start, then methods                                      |
 * |                | `run`       | run this method, unless its slot says that it was revoked                     |
 * |                | `abort`     | fire the signal of a running method                                           |
 * |                | `credit`    | items of a stream were consumed: send as many bytes more                      |
 * |                | `stop`      | run `onThreadStop`, then end                                                  |
 * |                | `crash`     | crash on purpose                                                              |
 * | thread         | `described` | the module is loaded, and this is its description                             |
 * |                | `started`   | the hooks of the start have run                                               |
 * |                | `result`    | a method has ended with this result; a stream has ended                       |
 * |                | `item`      | the next item of a stream                                                     |
 * |                | `failure`   | a method has ended without a result, for this reason                          |
 * |                | `progress`  | how far a method is                                                           |
 * |                | `log`       | a line for the server's log                                                   |
 * |                | `crashed`   | the thread ends itself, because of this error                                 |
 * |                | `stopped`   | `onThreadStop` has run, and the thread ends itself                            |
 *
 * A thread begins with `described`; then come `start` and `started`, or `crashed`. Both sides collect their messages
 * during one turn of the event loop and post them as one array; `wire.ts` says how they are encoded. Two things are
 * shared without a message: the heartbeat (`heartbeat.ts`), and which methods have begun (`slots.ts`).
 */
import type { MethodRefusal, PayloadIssue, WireError } from '../contract/errors.ts'
import type { CrashKind } from '../contract/crash-kind.ts'
import type { JobContext, ServiceDescription } from '../contract/description.ts'
import type { LogLevel } from '../contract/log.ts'
import type { SharedSlots } from './slots.ts'

/**
 * How the payload and the result of a method are encoded.
 * - `json`, for a job: JSON text. Bytes are a JSON string in Base64, as the job is stored.
 * - `body`, for a call over HTTP: JSON text. Bytes are sent as bytes, in a buffer that is transferred.
 * - `clone`, for a caller in this process: a structured clone. Bytes are transferred.
 */
export type ResultFormat = 'json' | 'body' | 'clone'

/** Given to the thread when it is created, as `workerData`. */
export interface ThreadData {
  service: string
  /** `file:` URL of the service module. */
  module: string
  heartbeat: SharedArrayBuffer
  /** Ids of the processes that the service may not send signals to. */
  guarded: number[]
}

// Sent by the control thread.

export interface StartMessage {
  type: 'start'
  numWorkers: number
  maxResultBytes: number
  slots: SharedSlots
  beatEveryMs: number
  /** As it was registered: the module parses it. */
  config?: Record<string, unknown> | undefined
  /** True after a restart: `onRestart` runs first. */
  restarted: boolean
}
export interface RunMessage {
  type: 'run'
  slot: number
  sequence: number
  method: string
  /** As {@link ResultFormat} says. Large JSON is a {@link JsonBytes}. */
  payload: unknown
  format: ResultFormat
  job: JobContext
  /** The `Content-Type` of bytes, if the client sent one. */
  contentType?: string | undefined
  /** The buffer of a payload of bytes: it is transferred. */
  transfer?: ArrayBuffer | undefined
  /** When the method began, by the monotonic clock of its thread, which sets it: it is not sent. */
  begunAt?: number
}
/** JSON text so large that the control thread does not parse it: the service's thread does. */
export interface JsonBytes {
  json: Uint8Array
}
export interface AbortMessage {
  type: 'abort'
  sequence: number
  reason: WireError
}
/** Items of a stream were consumed: the thread may send as many bytes more. */
export interface CreditMessage {
  type: 'credit'
  sequence: number
  cost: number
}
export interface StopMessage {
  type: 'stop'
}
/** Crash on purpose, so that a user can see what the supervisor does. */
export interface CrashMessage {
  type: 'crash'
  kind: CrashKind
  reason: string
}
export type ControlMessage = StartMessage | RunMessage | AbortMessage | CreditMessage | StopMessage | CrashMessage

// Sent by the service's thread.

/** The module is loaded. Its hooks and methods run only after `start`. */
export interface DescribedMessage {
  type: 'described'
  description: ServiceDescription
}
export interface StartedMessage {
  type: 'started'
}
export interface ResultMessage {
  type: 'result'
  slot: number
  sequence: number
  value: unknown
  /** For how long the method ran, in microseconds: a whole number is encoded in fewer bytes. */
  ranUs: number
  /** The buffer of a value of bytes: it is transferred. */
  transfer?: ArrayBuffer | undefined
}
/** An item of a stream. A `result` without a value follows when the stream has ended. */
export interface ItemMessage {
  type: 'item'
  slot: number
  sequence: number
  value: unknown
  /** Bytes to give back as credit once the item is consumed. */
  cost: number
}
export interface FailureMessage {
  type: 'failure'
  slot: number
  sequence: number
  failure: MethodFailure
  /** As in {@link ResultMessage}. */
  ranUs: number
}
export interface ProgressMessage {
  type: 'progress'
  slot: number
  sequence: number
  fraction: number
  note?: string
}
export interface LogMessage {
  type: 'log'
  level: LogLevel
  message: string
  /** The fields of the line, as the text of a JSON object. */
  fields?: string
  /** Of a line that says how many lines were dropped: their number. */
  dropped?: number
  /** Of the method that has logged it, if a method has. */
  of?: LogOrigin
}
/** The method that has logged a line. */
export interface LogOrigin {
  jobId: string
  method: string
  attempt: number
  traceId?: string
}
/** The last message of a thread that ends itself: why. */
export interface CrashedMessage {
  type: 'crashed'
  error: WireError
}
/** `onThreadStop` has run, and the thread ends itself now. `error` is what the hook threw. */
export interface StoppedMessage {
  type: 'stopped'
  error?: WireError
}

export type ThreadMessage =
  | DescribedMessage
  | StartedMessage
  | ResultMessage
  | ItemMessage
  | FailureMessage
  | ProgressMessage
  | LogMessage
  | CrashedMessage
  | StoppedMessage

/** Why a method has no result. */
export type MethodFailure =
  /** The handler, or a function in a schema, threw. */
  | { kind: 'threw'; error: WireError; retryable: boolean }
  /** The handler threw a `MethodProblem`. */
  | { kind: 'problem'; problem: MethodRefusal }
  | { kind: 'noSuchMethod' }
  /** The payload is not JSON. */
  | { kind: 'malformed'; detail: string }
  /** The payload was refused by the input schema. */
  | { kind: 'refused'; issues: PayloadIssue[] }
  /** The result, or an item of the stream, was refused by the output schema. */
  | { kind: 'resultRefused'; issues: PayloadIssue[] }
  /** The result cannot be sent: JSON or structured clone cannot carry it, or it is too large. */
  | { kind: 'notSerializable'; detail: string }
