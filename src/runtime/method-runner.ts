/**
 * Runs the methods that were handed to this thread: in their order, with at most `numWorkers` that overlap. For each
 * one: parse the payload, run the handler, parse the result, serialise it, and push a `result` or a `failure`.
 * Source: mode/threads.py MethodQueueWorker, MethodQueue._process_enqueued
 */
import type { MessageBatcher } from '../async/message-batcher.ts'
import type { ServiceDescription } from '../contract/description.ts'
import { toWireError, type WireError } from '../contract/errors.ts'
import { bytesOf } from '../module/bytes.ts'
import type { MethodDefinition, ServiceContext, ServiceDefinition } from '../module/define-service.ts'
import { refusalOf } from '../module/method-problem.ts'
import { itemOf } from '../module/stream.ts'
import type { JsonBytes, MethodFailure, RunMessage, StartMessage, ThreadMessage } from '../protocol/messages.ts'
import { ThreadSlotLog } from '../protocol/slot-log.ts'
import { SlotTable } from '../protocol/slot-table.ts'
import type { ThreadSlots } from '../protocol/slots.ts'
import type { LargeJsonParser } from './large-json-parser.ts'
import { inOwnScope } from './own-scope.ts'
import { type Parsed, parseWithSchema } from './parse-with-schema.ts'
import { RunningMethod } from './running-method.ts'
import { type Serialized, serializeBytes, serializeResult } from './serialize-result.ts'
import { ItemCollector, ItemSender, runStream } from './stream-items.ts'
import type { ThreadLogger } from './thread-logger.ts'

/**
 * How long methods are begun one after the other before the event loop gets its turn, in milliseconds. Then results are
 * posted, and timers and the heartbeat run.
 */
const TURN_MS = 1
/** After so long a method that could not be begun is tried again. */
const RETRY_MS = 1_000

export class MethodRunner {
  readonly #methods: Map<string, MethodDefinition>
  readonly #description: ServiceDescription
  /** Loaded with the first payload that needs it: few services ever get one. */
  #largeJsonParser: Promise<LargeJsonParser> | undefined
  readonly #batcher: MessageBatcher<ThreadMessage>
  readonly #logger: ThreadLogger
  readonly #running = new Map<number, RunningMethod>()
  /** Methods that were handed over; those from `#next` on have not begun. */
  #waiting: RunMessage[] = []
  #next = 0
  #overlapping = 0
  #turnEndsAt = 0
  /**
   * True while the loop in `#beginMethods` is on the stack: a method that ends at once must not start a second loop.
   */
  #beginning = false
  /** True while a `setImmediate` is scheduled that goes on with the queue. */
  #resumeScheduled = false
  /** True from a method that could not be noted as begun until it is tried again. */
  #isFailing = false
  /** `undefined` until the hooks of the start have run. */
  #options: StartMessage | undefined
  #slots: ThreadSlots = new SlotTable(0)
  #context: Pick<ServiceContext, 'state' | 'config'> = { state: undefined, config: undefined }

  constructor(
    definition: ServiceDefinition,
    description: ServiceDescription,
    batcher: MessageBatcher<ThreadMessage>,
    logger: ThreadLogger,
  ) {
    this.#methods = new Map(Object.entries(definition.methods))
    this.#description = description
    this.#batcher = batcher
    this.#logger = logger
  }

  /** @param context what handlers get of the service */
  start(options: StartMessage, context: Pick<ServiceContext, 'state' | 'config'>): void {
    this.#options = options
    const { slots } = options
    this.#slots = slots instanceof SharedArrayBuffer ? new SlotTable(slots) : new ThreadSlotLog(slots)
    this.#context = context
    this.#beginIfIdle()
  }

  enqueue(message: RunMessage): void {
    this.#waiting.push(message)
    // P5: each slot holds one method, so when more messages wait than there are slots, the others were revoked.
    if (this.#waiting.length - this.#next > 2 * this.#slots.length) this.#dropRevoked()
  }

  #dropRevoked(): void {
    const waiting = this.#waiting.slice(this.#next)
    this.#waiting = waiting.filter(({ slot, sequence }) => this.#slots.isHanded(slot, sequence))
    this.#next = 0
  }

  /** Fires the signal of a running method. A method that has not begun is aborted by revoking its slot. */
  abort(sequence: number, reason: WireError): void {
    const running = this.#running.get(sequence)
    // The listeners of the signal are code of the module.
    if (running !== undefined) inOwnScope(() => running.abort(reason))
  }

  /** Items of a stream were consumed. */
  credit(sequence: number, cost: number): void {
    this.#running.get(sequence)?.credit.give(cost)
  }

  /** Begins methods in a new turn of the event loop. */
  turn(): void {
    this.#turnEndsAt = performance.now() + TURN_MS
    this.#beginIfIdle()
  }

  #beginIfIdle(): void {
    if (this.#options === undefined || this.#beginning) return
    this.#beginning = true
    try {
      this.#beginMethods(this.#options)
    } finally {
      this.#beginning = false
    }
  }

  #beginMethods(options: StartMessage): void {
    while (this.#overlapping < options.numWorkers && this.#next < this.#waiting.length) {
      const now = performance.now()
      if (now >= this.#turnEndsAt) return this.#yield()
      const message = this.#waiting[this.#next] as RunMessage
      message.begunAt = now
      let isBegun: boolean
      try {
        isBegun = this.#slots.begin(message.slot, message.sequence)
      } catch (error) {
        // In a process of its own, this writes to a disk, which may be full.
        return this.#retryLater(error)
      }
      this.#next += 1
      if (isBegun) inOwnScope(this.#run, message)
    }
    if (this.#next === this.#waiting.length && this.#next > 0) {
      this.#waiting = []
      this.#next = 0
    }
  }

  /** A method could not be noted as begun, so that it was not run. It is tried again soon. */
  #retryLater(error: unknown): void {
    if (!this.#isFailing) {
      const why = toWireError(error).message
      this.#logger.for().error(`no method can begin now, they wait: that it has begun cannot be written: ${why}`)
    }
    this.#isFailing = true
    if (this.#resumeScheduled) return
    this.#resumeScheduled = true
    this.#batcher.flush()
    setTimeout(() => {
      this.#resumeScheduled = false
      this.#isFailing = false
      this.turn()
    }, RETRY_MS)
  }

  /** Posts the results so far, and goes on in the next turn of the event loop. */
  #yield(): void {
    if (this.#resumeScheduled) return
    this.#resumeScheduled = true
    this.#batcher.flush()
    setImmediate(() => {
      this.#resumeScheduled = false
      this.turn()
    })
  }

  /** Without `await` for synchronous handlers and schemas: one promise per step would dominate the cost of a call. */
  readonly #run = (message: RunMessage): void => {
    const method = this.#methods.get(message.method)
    this.#overlapping += 1
    if (method === undefined) return this.#fail(message, { kind: 'noSuchMethod' })
    const running = new RunningMethod(message, this.#batcher, this.#logger, this.#context)
    this.#running.set(message.sequence, running)

    const threw = (error: unknown) => {
      const problem = refusalOf(error, method.problems)
      if (problem !== undefined) return this.#fail(message, { kind: 'problem', problem })
      this.#fail(message, { kind: 'threw', error: toWireError(error), retryable: isRetryable(error) })
    }
    const finish = (output: Parsed) =>
      output.ok
        ? andThen(this.#serialize(method, message, running, output.value), (result) => this.#finish(message, result))
        : this.#fail(message, { kind: 'resultRefused', issues: output.issues })
    const checkOutput = (result: unknown) => andThen(parseWithSchema(method.output, result), finish)
    const handle = (input: Parsed) => {
      if (!input.ok) return this.#fail(message, { kind: 'refused', issues: input.issues })
      const returned: unknown = method.handler(input.value, running)
      let isPromise: boolean
      try {
        isPromise = isThenable(returned)
      } catch (error) {
        // A proxy or a getter that throws when it is asked for `then`.
        return this.#fail(message, { kind: 'notSerializable', detail: toWireError(error).message })
      }
      return isPromise ? Promise.resolve(returned).then(checkOutput) : checkOutput(returned)
    }
    const begin = (payload: unknown) => andThen(parseWithSchema(method.input, payload), handle)
    try {
      const { payload, format } = message
      const isText = format !== 'clone' && typeof payload === 'string'
      const done = isLargeJson(message)
        ? this.#parseLarge(message).then((parsed) =>
            parsed.ok ? begin(parsed.payload) : this.#fail(message, parsed.failure),
          )
        : begin(isText ? JSON.parse(payload) : payload)
      if (isThenable(done)) done.then(undefined, threw)
    } catch (error) {
      threw(error)
    }
  }

  async #parseLarge({ method, payload }: { method: string; payload: JsonBytes }) {
    this.#largeJsonParser ??= import('./large-json-parser.ts').then((one) => new one.LargeJsonParser(this.#description))
    return (await this.#largeJsonParser).parse(method, payload)
  }

  /** The result as it is sent. Of a stream, the items are sent here, and the result says that it has ended. */
  #serialize(
    { output }: MethodDefinition,
    { slot, sequence, format }: RunMessage,
    running: RunningMethod,
    value: unknown,
  ): Serialized | Promise<Serialized> {
    const { maxResultBytes } = this.#options as StartMessage
    const item = itemOf(output)
    if (item !== undefined) {
      const send = (one: unknown, cost: number) =>
        this.#batcher.push({ type: 'item', slot, sequence, value: one, cost })
      const sink =
        format === 'json'
          ? new ItemCollector(maxResultBytes)
          : new ItemSender(running.credit, format === 'body', maxResultBytes, send)
      return runStream(value as AsyncIterable<unknown>, item, running.signal, sink)
    }
    if (bytesOf(output, 'output') !== undefined) return serializeBytes(value as Uint8Array, format, maxResultBytes)
    return format === 'clone' ? { ok: true, value } : serializeResult(value, maxResultBytes)
  }

  #finish(message: RunMessage, serialized: Serialized): void {
    if (!serialized.ok) return this.#fail(message, serialized.failure)
    const { slot, sequence } = message
    const { value, transfer } = serialized
    this.#end(sequence, { type: 'result', slot, sequence, value, ranUs: ranUs(message), transfer })
  }

  #fail(message: RunMessage, failure: MethodFailure): void {
    const { slot, sequence } = message
    this.#end(sequence, { type: 'failure', slot, sequence, failure, ranUs: ranUs(message) })
  }

  #end(sequence: number, outcome: ThreadMessage): void {
    this.#running.get(sequence)?.flushProgress()
    // The next method would go on in the same line.
    this.#logger.endLines()
    this.#batcher.push(outcome)
    this.#running.delete(sequence)
    this.#overlapping -= 1
    // An asynchronous method has ended: nothing else begins the next one.
    if (!this.#resumeScheduled) this.#beginIfIdle()
  }
}

/** For how long a method that ends now has run. A module can set the clock that this thread has. */
function ranUs({ begunAt = 0 }: RunMessage): number {
  return Math.max(Math.round((performance.now() - begunAt) * 1_000), 0) || 0
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** Calls `next` with the value, at once unless it is a promise. Any thenable is first made a native promise. */
function andThen<T>(value: T | PromiseLike<T>, next: (value: T) => unknown): unknown {
  return isThenable(value) ? Promise.resolve(value as PromiseLike<T>).then(next) : next(value)
}

function isLargeJson(message: RunMessage): message is RunMessage & { payload: JsonBytes } {
  const { format, payload } = message
  return format !== 'clone' && typeof payload === 'object' && !(payload instanceof Uint8Array)
}

function isRetryable(error: unknown): boolean {
  try {
    return (error as { retryable?: unknown } | null)?.retryable !== false
  } catch {
    return true
  }
}
