/**
 * The messages that cross the boundary between the control thread and a service's thread, grouped by sender. Pure.
 *
 * Each side collects what it has to say during one turn of its event loop and posts it as one array.
 * What both sides must agree on without a message (heartbeat, which methods have begun) is in `slot-table.ts`.
 */
import type { PayloadIssue, WireError } from '../contract/errors.ts'
import type { CrashKind } from '../contract/crash-kind.ts'
import type { JobContext, ServiceDescription } from '../contract/description.ts'
import type { LogLevel } from '../contract/log.ts'
import type { SharedSlots } from './slots.ts'

/**
 * How a payload goes and a result comes back: JSON text for a job; the same, or bytes where the method says so, for the
 * body of an HTTP answer; a structured clone for callers in the process. Bytes are transferred, but for a job, which
 * keeps them as Base64.
 */
export type ResultFormat = 'json' | 'body' | 'clone'

/** Given to the thread at birth, as `workerData`. */
export interface ThreadData {
  service: string
  /** `file:` URL of the service module. */
  module: string
  heartbeat: SharedArrayBuffer
}

// Sent by the control thread.

export interface StartMessage {
  type: 'start'
  numWorkers: number
  maxResultBytes: number
  slots: SharedSlots
  beatEveryMs: number
  /** Is this a restart? Then `onRestart` runs first. */
  restarted: boolean
}
export interface RunMessage {
  type: 'run'
  slot: number
  sequence: number
  method: string
  /** JSON text unless the format is `clone`, as a {@link JsonBytes} if it is large; or bytes. */
  payload: unknown
  format: ResultFormat
  job: JobContext
  /** Of bytes, if a client has said it. */
  contentType?: string | undefined
  /** The buffer of the payload, which is its own and goes with it. */
  transfer?: ArrayBuffer | undefined
}
/** JSON text that nobody has parsed before the thread does. */
export interface JsonBytes {
  json: Uint8Array
}
export interface AbortMessage {
  type: 'abort'
  sequence: number
  reason: WireError
}
/** Items of a stream were taken: as much more may be sent. */
export interface CreditMessage {
  type: 'credit'
  sequence: number
  cost: number
}
export interface StopMessage {
  type: 'stop'
}
/** Crash on purpose, to see what the supervisor does. */
export interface CrashMessage {
  type: 'crash'
  kind: CrashKind
  reason: string
}
export type ControlMessage = StartMessage | RunMessage | AbortMessage | CreditMessage | StopMessage | CrashMessage

// Sent by the service's thread.

/** The module is loaded; nothing of it runs until `start`. */
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
  /** The buffer of the value, which goes with it. */
  transfer?: ArrayBuffer | undefined
}
/** An item of a stream. Its result comes when it has ended. */
export interface ItemMessage {
  type: 'item'
  slot: number
  sequence: number
  value: unknown
  /** What is to be given back as credit once it is taken. */
  cost: number
}
export interface FailureMessage {
  type: 'failure'
  slot: number
  sequence: number
  failure: MethodFailure
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
  /** A JSON object. */
  fields?: string
  jobId?: string
}
/** The last words of a thread: why it ends itself. */
export interface CrashedMessage {
  type: 'crashed'
  error: WireError
}
/** `onThreadStop` has run; the thread ends itself now. */
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

/** Why a method has no result: the handler threw, or the payload or the result was refused. */
export type MethodFailure =
  | { kind: 'threw'; error: WireError; retryable: boolean }
  | { kind: 'noSuchMethod' }
  | { kind: 'malformed'; detail: string }
  | { kind: 'refused'; issues: PayloadIssue[] }
  | { kind: 'resultRefused'; issues: PayloadIssue[] }
  | { kind: 'notSerializable'; detail: string }
