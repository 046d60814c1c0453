/**
 * One method that a thread has to run, from the moment it is queued until its promise settles, once.
 * Source: mode/threads.py QueuedMethod
 */
import type { JobContext } from '../contract/description.ts'
import { BytePayload } from '../payload/byte-payload.ts'
import { type ErrorCode, type ErrorFacts, ThreadplaneError } from '../contract/errors.ts'
import { parseJson, textOf } from '../payload/parse-json.ts'
import type { ResultFormat } from '../protocol/messages.ts'

/** The longest delay of a timer, in milliseconds: with a longer one it would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Where a method is before it settles: the queue, or the handoff of a thread. */
export interface Place {
  /** Takes the method out, or tells the thread to abort it. True if the method had begun. */
  withdraw(method: QueuedMethod, reason: ThreadplaneError): boolean
  /** Takes the method out and returns true, unless the method has begun. */
  reclaim(method: QueuedMethod): boolean
  hasBegun(method: QueuedMethod): boolean
  /** Allows the thread to send more items of a stream, for this cost. */
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
  /** How long one attempt may run once it has begun. If it goes on after that and the grace, its thread is retired. */
  timeoutMs: number
  /**
   * No other method runs in its thread at the same time: this method, or one that ran beside it, has ended a thread.
   */
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
  /** Set by the reader of a stream: gets each item. The reader gives the cost back by `credit`, to get more. */
  onItem: ((item: unknown, cost: number) => void) | undefined
  /** Set by the queue or handoff that has the method. */
  place: Place | undefined
  /**
   * The slot and the sequence number under which a thread has the method; set by the Handoff. Fields, not a Map from
   * methods to slots: such a Map is old to the garbage collector, and its deleted entries keep methods alive through
   * the young generation's collections.
   */
  slot = -1
  sequence = 0
  /** When the method was made, in milliseconds of the monotonic clock. */
  readonly queuedAt = performance.now()
  /** For how long it ran, once its thread has said so. */
  ranMs: number | undefined
  /** When the control thread first saw that it had begun, in milliseconds of its monotonic clock. */
  begunAt: number | undefined
  /** When the method was cancelled; if it still runs after the grace, its thread is retired. */
  cancelledAt: number | undefined
  /** The method has to run alone, and a thread is reserved for it. */
  isNext = false
  /** Its thread died while other methods ran there too: which of them ended the thread is not known. */
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

  /** The payload by position: the elements of an array. Source: mode/threads.py QueuedMethod.args */
  get args(): unknown[] {
    const payload = this.#parsed
    if (Array.isArray(payload)) return payload
    return isRecord(payload) || payload === undefined ? [] : [payload]
  }

  /** The payload by name: the members of an object. Source: mode/threads.py QueuedMethod.kwargs */
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

  /** Has the method settled with an error, without an item before it? */
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

  /** Calls the listener once, when the method settles, or at once if it has settled. Cheaper than the promise. */
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

  /** Aborts the method after so many milliseconds, wherever it is by then. */
  expireAfter(deadlineMs: number): void {
    this.#deadline = setTimeout(
      () => {
        this.abort('DEADLINE_EXCEEDED', `no result of ${this.service}.${this.method} within ${deadlineMs} ms`)
      },
      Math.min(deadlineMs, MAX_TIMER_MS),
    )
  }

  /** Settles the promise with an error and fires the handler's signal. The thread is not ended. */
  abort(code: ErrorCode, detail: string): void {
    if (this.settled) return
    const error = this.error(code, detail)
    this.fail(this.place?.withdraw(this, error) ? this.error(code, detail, { started: true }) : error)
  }

  /** As {@link abort}, unless the method has begun. */
  abortUnlessBegun(code: ErrorCode, detail: string): void {
    if (!this.settled && this.place?.reclaim(this)) this.fail(this.error(code, detail))
  }

  /** As {@link abort}, for a cancelled job: if the handler goes on after the grace, its thread is retired. */
  cancel(): void {
    this.cancelledAt = performance.now()
    this.abort('JOB_CANCELLED', 'the job was cancelled')
  }

  /**
   * Takes an item of a stream. It is dropped if the attempt was abandoned; without a reader too, so that the stream
   * ends.
   */
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

  /** An error about this method: with the names of service and method, and the job's id. */
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
