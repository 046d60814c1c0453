/**
 * One method to be run by a thread, from the moment it is queued until its promise settles, once.
 * Source: mode/threads.py QueuedMethod
 */
import type { JobContext } from '../contract/description.ts'
import { BytePayload } from '../payload/byte-payload.ts'
import { type ErrorCode, type ErrorFacts, ThreadplaneError } from '../contract/errors.ts'
import { parseJson, textOf } from '../payload/parse-json.ts'
import type { ResultFormat } from '../protocol/messages.ts'

/** A timer takes no more, and fires at once then. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Where a method is before it settles: the queue, or the hands of a thread. */
export interface Place {
  /** Takes the method out, or tells the thread to abort it. True if it had begun. */
  withdraw(method: QueuedMethod, reason: ThreadplaneError): boolean
  /** Takes the method out, unless it has begun: then nothing happens, and it is false. */
  reclaim(method: QueuedMethod): boolean
  hasBegun(method: QueuedMethod): boolean
  /** Tells the thread that it may send as much more of a stream. */
  credit?(method: QueuedMethod, cost: number): void
}

export interface QueuedMethodOptions {
  service: string
  method: string
  /** JSON text unless the format is `clone`; or a `BytePayload`. */
  payload: unknown
  kind: 'call' | 'cast'
  format: ResultFormat
  job: JobContext
  /** Size of the payload, for the queue's limit. */
  bytes: number
  /** 0 to 9, 9 first. */
  priority: number
  /** How long one attempt may run once it has begun, before its thread is to blame. */
  timeoutMs: number
  /** No other method runs in its thread meanwhile: it, or one that ran with it, has ended a thread before. */
  exclusive?: boolean
  onProgress?: (fraction: number, note: string | undefined) => void
}

type SettledListener = (error: ThreadplaneError | undefined, value: unknown) => void

interface Outcome {
  error?: ThreadplaneError
  value?: unknown
}

export class QueuedMethod {
  readonly service: string
  readonly method: string
  readonly payload: unknown
  readonly kind: 'call' | 'cast'
  readonly format: ResultFormat
  readonly job: JobContext
  readonly bytes: number
  readonly priority: number
  readonly timeoutMs: number
  readonly exclusive: boolean
  readonly onProgress: QueuedMethodOptions['onProgress']
  #outcome: Outcome | undefined
  #streamed = false
  #onSettled: SettledListener | undefined
  #promise: Promise<unknown> | undefined
  /** Set by whoever wants the items of a stream; `credit` asks for as much more. */
  onItem: ((item: unknown, cost: number) => void) | undefined
  /** Set by whoever holds it. */
  place: Place | undefined
  /**
   * Where a thread has it, and under which number; set by the Handoff. Fields, not a Map from methods to slots: that
   * lives long, and keeps the dead methods of its deleted entries from the garbage collector's short rounds.
   */
  slot = -1
  sequence = 0
  /** When the control thread first saw that it had begun, in milliseconds of its monotonic clock. */
  begunAt: number | undefined
  /** When it was cancelled; after the grace its thread is retired. */
  cancelledAt: number | undefined
  /** It is to run exclusively, and a thread is kept free for it. */
  isNext = false
  /** Its thread died, and it was not the only one begun there: who is to blame is not known. */
  diedInCompany = false
  /** Neighbours in the queue's list. */
  previous: QueuedMethod | undefined
  next: QueuedMethod | undefined
  #deadline: NodeJS.Timeout | undefined

  constructor(options: QueuedMethodOptions) {
    this.service = options.service
    this.method = options.method
    this.payload = options.payload
    this.kind = options.kind
    this.format = options.format
    this.job = options.job
    this.bytes = options.bytes
    this.priority = options.priority
    this.timeoutMs = options.timeoutMs
    this.exclusive = options.exclusive ?? false
    this.onProgress = options.onProgress
  }

  /** Payload by position, as mode has it: the elements of an array. */
  get args(): unknown[] {
    const payload = this.#parsed
    if (Array.isArray(payload)) return payload
    return isRecord(payload) || payload === undefined ? [] : [payload]
  }

  /** Payload by name: the members of an object. */
  get kwargs(): Record<string, unknown> {
    const payload = this.#parsed
    return isRecord(payload) ? payload : {}
  }

  get #parsed(): unknown {
    const { payload } = this
    if (payload instanceof BytePayload) return payload.isJson ? parseJson(textOf(payload.whole)) : [payload.join()]
    return this.format === 'clone' ? payload : JSON.parse(payload as string)
  }

  get settled(): boolean {
    return this.#outcome !== undefined
  }

  /** Has it settled with an error, and no item before that? */
  get failedAtOnce(): boolean {
    return this.#outcome?.error !== undefined && !this.#streamed
  }

  /** Resolves to JSON text, bytes or a structured clone, by `format`; rejects with a {@link ThreadplaneError}. */
  get promise(): Promise<unknown> {
    this.#promise ??= new Promise((resolve, reject) => {
      this.whenSettled((error, value) => (error === undefined ? resolve(value) : reject(error)))
    })
    return this.#promise
  }

  /** Told once, in the turn it settles, or at once if it has: what a promise would tell, for less. */
  whenSettled(listener: SettledListener): void {
    if (this.#outcome !== undefined) listener(this.#outcome.error, this.#outcome.value)
    const before = this.#onSettled
    this.#onSettled =
      before === undefined
        ? listener
        : (error, value) => {
            before(error, value)
            listener(error, value)
          }
  }

  get begun(): boolean {
    return this.place?.hasBegun(this) ?? false
  }

  /** Ends the wait after so many milliseconds, wherever the method is by then. */
  expireAfter(deadlineMs: number): void {
    this.#deadline = setTimeout(
      () => {
        this.abort('DEADLINE_EXCEEDED', `no result of ${this.service}.${this.method} within ${deadlineMs} ms`)
      },
      Math.min(deadlineMs, MAX_TIMER_MS),
    )
  }

  /** Settles the promise with an error and fires the handler's signal. That costs the thread nothing. */
  abort(code: ErrorCode, detail: string): void {
    if (this.settled) return
    const error = this.error(code, detail)
    this.fail(this.place?.withdraw(this, error) ? this.error(code, detail, { started: true }) : error)
  }

  /** As {@link abort}, but of nothing that has begun. */
  abortUnlessBegun(code: ErrorCode, detail: string): void {
    if (!this.settled && this.place?.reclaim(this)) this.fail(this.error(code, detail))
  }

  /** As {@link abort}, for a cancellation: if the handler goes on all the same, its thread is retired. */
  cancel(): void {
    this.cancelledAt = performance.now()
    this.abort('JOB_CANCELLED', 'the job was cancelled')
  }

  /** An item of a stream. An abandoned attempt may go on, and tells nobody; where nobody asks, all of it is taken. */
  receive(item: unknown, cost: number): void {
    if (this.settled) return
    this.#streamed = true
    if (this.onItem === undefined) this.credit(cost)
    else this.onItem(item, cost)
  }

  credit(cost: number): void {
    if (!this.settled) this.place?.credit?.(this, cost)
  }

  succeed(value: unknown): void {
    this.#settle({ value })
  }

  fail(error: ThreadplaneError): void {
    this.#settle({ error })
  }

  /** An error about this method, with its names. */
  error(code: ErrorCode, detail: string, facts: ErrorFacts = {}): ThreadplaneError {
    return new ThreadplaneError(code, detail, {
      service: this.service,
      method: this.method,
      jobId: this.job.id,
      started: false,
      ...facts,
    })
  }

  #settle(outcome: Outcome): void {
    if (this.#outcome !== undefined) return
    this.#outcome = outcome
    clearTimeout(this.#deadline)
    this.#onSettled?.(outcome.error, outcome.value)
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
