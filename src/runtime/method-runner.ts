/**
 * Runs the methods handed to this thread: at most `numWorkers` overlap, in the order they came.
 * Source: mode/threads.py MethodQueueWorker, MethodQueue._process_enqueued
 */
import type { ServiceDescription } from '../contract/description.ts'
import { toWireError, type WireError } from '../contract/errors.ts'
import type { MessageBatcher } from '../async/message-batcher.ts'
import type { JsonBytes, MethodFailure, RunMessage, StartMessage, ThreadMessage } from '../protocol/messages.ts'
import { SlotTable } from '../protocol/slot-table.ts'
import { ThreadSlotLog } from '../protocol/slot-log.ts'
import type { ThreadSlots } from '../protocol/slots.ts'
import { bytesOf } from '../module/bytes.ts'
import type { MethodDefinition, ServiceDefinition } from '../module/define-service.ts'
import { LargeJson } from './large-json-parser.ts'
import { CollectedItems, SentItems, takeItems } from './stream-items.ts'
import { type Parsed, parse } from './parse-with-schema.ts'
import { RunningMethod } from './running-method.ts'
import { type Serialized, serializeBytes, serializeResult } from './serialize-result.ts'
import { itemOf } from '../module/stream.ts'
import type { ThreadLogger } from './thread-logger.ts'

/** After this long without a return to the event loop, results are posted and timers get their turn. */
const TURN_MS = 1

export class MethodRunner {
  readonly #methods: Map<string, MethodDefinition>
  readonly #largeJson: LargeJson
  readonly #batcher: MessageBatcher<ThreadMessage>
  readonly #logger: ThreadLogger
  readonly #running = new Map<number, RunningMethod>()
  #waiting: RunMessage[] = []
  #next = 0
  #overlapping = 0
  #turnEndsAt = 0
  #yielding = false
  #pumping = false
  #options: StartMessage | undefined
  #slots: ThreadSlots = new SlotTable(0)
  #state: unknown

  constructor(
    definition: ServiceDefinition,
    description: ServiceDescription,
    batcher: MessageBatcher<ThreadMessage>,
    logger: ThreadLogger,
  ) {
    this.#methods = new Map(Object.entries(definition.methods))
    this.#largeJson = new LargeJson(description)
    this.#batcher = batcher
    this.#logger = logger
  }

  /** @param state what `onThreadStarted` returned */
  start(options: StartMessage, state: unknown): void {
    this.#options = options
    const { slots } = options
    this.#slots = slots instanceof SharedArrayBuffer ? new SlotTable(slots) : new ThreadSlotLog(slots)
    this.#state = state
    this.pump()
  }

  enqueue(message: RunMessage): void {
    this.#waiting.push(message)
    // P5: a slot has one method at a time, so the others here were revoked.
    if (this.#waiting.length - this.#next > 2 * this.#slots.length) this.#forgetRevoked()
  }

  #forgetRevoked(): void {
    const waiting = this.#waiting.slice(this.#next)
    this.#waiting = waiting.filter(({ slot, sequence }) => this.#slots.isHanded(slot, sequence))
    this.#next = 0
  }

  /** Fires the signal of a method that runs; one that has not begun was revoked already. */
  abort(sequence: number, reason: WireError): void {
    this.#running.get(sequence)?.abort(reason)
  }

  /** Items of a stream were taken. */
  credit(sequence: number, cost: number): void {
    this.#running.get(sequence)?.credits.give(cost)
  }

  /** A new turn of the event loop: its budget begins. */
  turn(): void {
    this.#turnEndsAt = performance.now() + TURN_MS
    this.pump()
  }

  pump(): void {
    if (this.#options === undefined || this.#pumping) return
    this.#pumping = true
    this.#begin(this.#options)
    this.#pumping = false
  }

  #begin(options: StartMessage): void {
    while (this.#overlapping < options.numWorkers && this.#next < this.#waiting.length) {
      if (performance.now() >= this.#turnEndsAt) return this.#yield()
      const message = this.#waiting[this.#next++] as RunMessage
      if (this.#slots.begin(message.slot, message.sequence)) this.#run(message)
    }
    if (this.#next === this.#waiting.length && this.#next > 0) {
      this.#waiting = []
      this.#next = 0
    }
  }

  #yield(): void {
    if (this.#yielding) return
    this.#yielding = true
    this.#batcher.flush()
    setImmediate(() => {
      this.#yielding = false
      this.turn()
    })
  }

  /** Without an await where nothing is asynchronous: a promise a hop is what such a loop spends most on. */
  #run(message: RunMessage): void {
    const method = this.#methods.get(message.method)
    this.#overlapping += 1
    if (method === undefined) return this.#fail(message, { kind: 'noSuchMethod' })
    let { payload } = message
    const isText = message.format !== 'clone' && typeof payload === 'string'
    if (isLargeJson(message)) {
      const read = this.#largeJson.read(message.method, message.payload)
      if (!read.ok) return this.#fail(message, read.failure)
      payload = read.payload
    }
    const running = new RunningMethod(message, this.#batcher, this.#logger, this.#state)
    this.#running.set(message.sequence, running)

    const threw = (error: unknown) =>
      this.#fail(message, { kind: 'threw', error: toWireError(error), retryable: isRetryable(error) })
    const finish = (output: Parsed) =>
      output.ok
        ? after(this.#result(method, message, running, output.value), (result) => this.#finish(message, result))
        : this.#fail(message, { kind: 'resultRefused', issues: output.issues })
    const checkOutput = (result: unknown) => after(parse(method.output, result), finish)
    const handle = (input: Parsed) => {
      if (!input.ok) return this.#fail(message, { kind: 'refused', issues: input.issues })
      const returned: unknown = method.handler(input.value, running)
      let isPromise: boolean
      try {
        isPromise = isThenable(returned)
      } catch (error) {
        // A proxy, or a getter, that throws.
        return this.#fail(message, { kind: 'notSerializable', detail: toWireError(error).message })
      }
      return isPromise ? Promise.resolve(returned).then(checkOutput) : checkOutput(returned)
    }
    try {
      if (isText) payload = JSON.parse(payload as string)
      const done = after(parse(method.input, payload), handle)
      if (isThenable(done)) done.then(undefined, threw)
    } catch (error) {
      threw(error)
    }
  }

  /** What is sent of a result; of a stream, that it has ended. */
  #result(
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
          ? new CollectedItems(maxResultBytes)
          : new SentItems(running.credits, format === 'body', maxResultBytes, send)
      return takeItems(value as AsyncIterable<unknown>, item, running.signal, sink)
    }
    if (bytesOf(output, 'output') !== undefined) return serializeBytes(value as Uint8Array, format, maxResultBytes)
    return format === 'clone' ? { ok: true, value } : serializeResult(value, maxResultBytes)
  }

  #finish(message: RunMessage, serialized: Serialized): void {
    if (!serialized.ok) return this.#fail(message, serialized.failure)
    const { slot, sequence } = message
    const { value, transfer } = serialized
    this.#end(sequence, { type: 'result', slot, sequence, value, transfer })
  }

  #fail({ slot, sequence }: RunMessage, failure: MethodFailure): void {
    this.#end(sequence, { type: 'failure', slot, sequence, failure })
  }

  #end(sequence: number, outcome: ThreadMessage): void {
    this.#running.get(sequence)?.end()
    this.#batcher.push(outcome)
    this.#running.delete(sequence)
    this.#overlapping -= 1
    // From a handler that awaited, this is the only thing that goes on with the queue.
    if (!this.#pumping && !this.#yielding) this.pump()
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** `next(value)`, at once where the value is there; a thenable of somebody else's making is adopted first. */
function after<T>(value: T | PromiseLike<T>, next: (value: T) => unknown): unknown {
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
