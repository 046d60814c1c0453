/**
 * What the parts of a server tell of the work that they do, for traces. They know only this; without the setting
 * THREADPLANE_TRACES there is nobody to tell. A context is passed as the text of the header `traceparent`. No I/O.
 */

/** Work that has begun. */
export interface WorkSpan {
  /** Its context: work that follows from it is its child. `undefined`: nobody records it, and no client has sent one. */
  readonly traceparent: string | undefined
  /** Called once, when it ends. An attempt that never began has no end: then nothing is recorded of it. */
  end(error?: { code: string }): void
}

/** A request for a call. */
export interface CallSpan {
  readonly traceparent: string | undefined
  /** @param errorCode why it failed */
  end(status: number, errorCode?: string): void
}

/** A method that has settled. Times are milliseconds of the monotonic clock. */
interface SettledMethod {
  readonly service: string
  readonly method: string
  readonly job: { traceparent?: string }
  readonly queuedAt: number
  /** How long it ran, as its thread says; `undefined` if the thread has not said so. */
  readonly ranMs: number | undefined
  /** When the control thread first saw that it had begun. */
  readonly begunAt: number | undefined
}

export interface TracedAttempt {
  service: string
  method: string
  id: string
  number: number
  /** When its job was cast, in milliseconds since the epoch. */
  castAt: number
  /** The context of the cast. */
  cast: string | null
}

export interface Traces {
  call(service: string, method: string, parent: string | undefined): CallSpan
  /** @param jobs how many are cast at once */
  cast(service: string, method: string, jobs: number, parent: string | undefined): WorkSpan
  /** The wait until the journal has the jobs of a cast on disk. */
  commit(cast: string | undefined): WorkSpan
  attempt(attempt: TracedAttempt): WorkSpan
  /** How long a method waited in the queue, and how long it ran: parts of its call, or of its attempt. */
  settled(method: SettledMethod, error: { code: string } | undefined): void
}
