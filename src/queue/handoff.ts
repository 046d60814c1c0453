/**
 * What one thread has been handed of the queue: up to `numWorkers + prefetch` methods ahead, so that the next is
 * there when one ends. Those not begun still belong to the control thread (DESIGN section 7).
 */
import { type ThreadplaneError, toWireError } from '../contract/errors.ts'
import { MessageBatcher } from '../async/message-batcher.ts'
import type {
  ControlMessage,
  FailureMessage,
  ItemMessage,
  ProgressMessage,
  ResultMessage,
} from '../protocol/messages.ts'
import { nextSequence, type Slots } from '../protocol/slots.ts'
import { toError, toRunMessage } from './method-messages.ts'
import type { ThreadPort, MethodQueue } from './method-queue.ts'
import type { Place, QueuedMethod } from './queued-method.ts'

/** How often methods that run are looked at for their own deadline, in milliseconds. */
const SWEEP_EVERY_MS = 50
/** Methods that go to the thread without waiting for the end of the turn: it runs the first while the others come. */
const HEAD_START = 16
/** Payloads handed ahead are in memory twice, here and there: beyond so many bytes the next waits in the queue (P5). */
const AHEAD_BYTES = 4 * 1024 * 1024

export interface HandoffOptions {
  queue: MethodQueue
  /** As many slots as methods are handed at a time: `numWorkers + prefetch`. */
  slots: Slots
  /** Handed out whatever their size: the thread runs so many at once. */
  numWorkers: number
  /** Asked anew each time: it may be changed while methods run. */
  cancelGraceMs: () => number
  post: (messages: ControlMessage[]) => void
  /** A method went on after its own deadline or a cancellation, and the grace: the thread is to be retired. */
  onOverdue: (method: QueuedMethod) => void
}

export class Handoff implements ThreadPort, Place {
  readonly #options: HandoffOptions
  readonly #slots: (QueuedMethod | undefined)[]
  readonly #free: number[]
  readonly #batcher: MessageBatcher<ControlMessage>
  #sequence = 0
  /** Of the payloads of all it was handed. */
  #bytes = 0
  #sweeper: NodeJS.Timeout | undefined
  #closed = false
  suspended = false
  /** The method that is to run exclusively, until it has ended. */
  #exclusive: QueuedMethod | undefined
  readonly #idle: (() => void)[] = []

  constructor(options: HandoffOptions) {
    this.#options = options
    this.#slots = new Array(options.slots.length).fill(undefined)
    this.#free = Array.from({ length: options.slots.length }, (_, slot) => slot)
    this.#batcher = new MessageBatcher(options.post, (message) => this.#refused(message))
  }

  get room(): number {
    if (this.#closed || this.suspended || this.runsExclusive) return 0
    return this.#bytes < AHEAD_BYTES || this.load < this.#options.numWorkers ? this.#free.length : 0
  }

  get runsExclusive(): boolean {
    return this.#exclusive !== undefined
  }

  get load(): number {
    return this.#slots.length - this.#free.length
  }

  /** Do all methods that still run go on after their own deadline or cancellation, and the grace? */
  get allOverdue(): boolean {
    const now = performance.now()
    return this.running.every((method) => now >= this.#blamedAt(method))
  }

  /** Methods the thread has begun and not ended. */
  get running(): QueuedMethod[] {
    return this.#slots.filter((method) => method !== undefined).filter((method) => this.hasBegun(method))
  }

  hand(method: QueuedMethod): void {
    const slot = this.#free.pop() as number
    this.#sequence = nextSequence(this.#sequence)
    const sequence = this.#sequence
    this.#slots[slot] = method
    this.#bytes += method.bytes
    method.slot = slot
    method.sequence = sequence
    method.place = this
    if (method.exclusive) this.#exclusive = method
    this.#options.slots.hand(slot, sequence)
    this.#batcher.push(toRunMessage(method))
    this.#sweeper ??= setInterval(this.#sweep, SWEEP_EVERY_MS)
    if (this.#batcher.size >= HEAD_START) this.#batcher.flush()
  }

  /** Posts anything else in the order of the methods. */
  send(message: ControlMessage): void {
    this.#batcher.push(message)
  }

  withdraw(method: QueuedMethod, reason: ThreadplaneError): boolean {
    if (this.reclaim(method)) return false
    this.#batcher.push({ type: 'abort', sequence: method.sequence, reason: toWireError(reason) })
    return true
  }

  reclaim({ slot, sequence }: QueuedMethod): boolean {
    const isRevoked = this.#options.slots.revoke(slot, sequence)
    if (isRevoked) this.#release(slot)
    return isRevoked
  }

  hasBegun(method: QueuedMethod): boolean {
    return this.#options.slots.hasBegun(method.slot, method.sequence)
  }

  credit({ sequence }: QueuedMethod, cost: number): void {
    this.#batcher.push({ type: 'credit', sequence, cost })
  }

  receive(message: ResultMessage | ItemMessage | FailureMessage | ProgressMessage): void {
    const method = this.#slots[message.slot]
    // P3: the late result of an abandoned attempt finds another number in its slot.
    if (method?.sequence !== message.sequence) return
    switch (message.type) {
      case 'progress':
        // An abandoned attempt may go on, and tells nobody.
        if (!method.settled) method.onProgress?.(message.fraction, message.note)
        return
      case 'item':
        method.receive(message.value, message.cost)
        return
      case 'result':
        method.succeed(message.value)
        break
      case 'failure':
        method.fail(toError(method, message.failure))
        break
    }
    this.#release(message.slot)
    this.#options.queue.completed()
  }

  /** Takes nothing more; what has not begun goes back to the front of the queue, for other threads. */
  close(): void {
    this.#closed = true
    this.#options.queue.detach(this)
    this.recall(['call', 'cast'])
    this.#options.queue.pump()
  }

  /** Gives what has not begun back to the front of the queue. */
  recall(kinds: readonly QueuedMethod['kind'][]): void {
    const notBegun: QueuedMethod[] = []
    for (const [slot, method] of this.#slots.entries()) {
      if (method === undefined || !kinds.includes(method.kind)) continue
      if (!this.#options.slots.revoke(slot, method.sequence)) continue
      notBegun.push(method)
      this.#vacate(slot)
    }
    this.#options.queue.putBack(notBegun.sort((a, b) => a.sequence - b.sequence))
  }

  /** The thread does not answer: what it has not begun goes to others, or waits, until it does again. */
  suspend(): void {
    this.suspended = true
    this.recall(['call', 'cast'])
    this.#options.queue.pump()
  }

  resume(): void {
    this.suspended = false
    this.#options.queue.pump()
  }

  get heldUp(): number {
    const { load } = this
    if (load < 2 || this.runsExclusive) return 0
    const running = this.running.length
    // What it is about to begin is not held up.
    return running === 0 ? 0 : load - running
  }

  giveBack(count: number): void {
    const handed = this.#slots.filter((method) => method !== undefined).sort((a, b) => a.sequence - b.sequence)
    const given: QueuedMethod[] = []
    for (const method of handed) {
      if (given.length === count) break
      if (!this.#options.slots.revoke(method.slot, method.sequence)) continue
      given.push(method)
      this.#vacate(method.slot)
    }
    this.#options.queue.putBack(given)
  }

  /** The thread is gone: what had begun fails, at once. */
  abandon(reason: (method: QueuedMethod) => ThreadplaneError): void {
    this.close()
    clearInterval(this.#sweeper)
    const inCompany = this.load > 1
    for (const [slot, method] of this.#slots.entries()) {
      if (method === undefined) continue
      method.diedInCompany = inCompany
      method.fail(reason(method))
      this.#release(slot)
    }
  }

  /** Resolves as soon as the thread has ended all it was handed. */
  async idle(): Promise<void> {
    if (this.load > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #release(slot: number): void {
    this.#vacate(slot)
    if (this.#closed) return
    this.#options.queue.pump()
    if (this.#options.queue.isShared && this.load < this.#options.numWorkers) this.#options.queue.share(this)
  }

  #vacate(slot: number): void {
    const method = this.#slots[slot] as QueuedMethod
    method.place = undefined
    this.#bytes -= method.bytes
    if (method === this.#exclusive) this.#exclusive = undefined
    this.#slots[slot] = undefined
    this.#free.push(slot)
    if (this.load === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** A payload that structured clone does not take, from a caller in this process. */
  #refused(message: ControlMessage): void {
    if (message.type !== 'run') return
    const method = this.#slots[message.slot]
    if (method?.sequence !== message.sequence) return
    const issue = { pointer: '', message: 'It cannot be sent to a thread: it is nested too deeply or not plain data' }
    method.fail(method.error('VALIDATION_FAILED', issue.message, { errors: [issue] }))
    this.#options.slots.revoke(message.slot, message.sequence)
    this.#release(message.slot)
  }

  /**
   * A method's own `timeoutMs` counts from when it began. Past it the method is aborted, and if it still goes on
   * after the grace, its thread is to blame. A client's deadline is none of this.
   */
  readonly #sweep = (): void => {
    if (this.load === 0) {
      clearInterval(this.#sweeper)
      this.#sweeper = undefined
      return
    }
    const now = performance.now()
    for (const method of this.running) {
      method.begunAt ??= now
      if (now >= method.begunAt + method.timeoutMs) {
        method.abort(
          'DEADLINE_EXCEEDED',
          `${method.service}.${method.method} ran for longer than ${method.timeoutMs} ms`,
        )
      }
      if (now >= this.#blamedAt(method)) this.#options.onOverdue(method)
    }
  }

  /** When a method that still runs becomes its thread's fault. */
  #blamedAt({ begunAt = Number.POSITIVE_INFINITY, timeoutMs, cancelledAt = Number.POSITIVE_INFINITY }: QueuedMethod) {
    return Math.min(begunAt + timeoutMs, cancelledAt) + this.#options.cancelGraceMs()
  }
}
