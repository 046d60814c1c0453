/**
 * The methods that have been handed from the queue to one thread: up to `numWorkers + prefetch` ahead, so that the
 * thread has the next one when one ends. A method that has not begun still belongs to the control thread: it can be
 * taken back.
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
import { checkEncodedValue } from '../protocol/check-messages.ts'
import { nextSequence, type Slots } from '../protocol/slots.ts'
import { toError, toRunMessage } from './method-messages.ts'
import type { MethodQueue, ThreadPort } from './method-queue.ts'
import { OverdueSweep, type OverdueSweepOptions } from './overdue-sweep.ts'
import type { Place, QueuedMethod } from './queued-method.ts'

/**
 * Post the batch at 16 methods instead of at the end of the turn: the thread runs the first while the others are
 * handed.
 */
const BATCH_LENGTH = 16
/** A payload handed ahead is in memory on both sides. At so many bytes, the thread gets no more methods ahead (P5). */
const AHEAD_BYTES = 4 * 1024 * 1024

export interface HandoffOptions extends OverdueSweepOptions {
  queue: MethodQueue
  /** One for each method that the thread may have at a time: `numWorkers + prefetch`. */
  slots: Slots
  /** The thread runs so many methods at once, and gets so many whatever the size of their payloads. */
  numWorkers: number
  post: (messages: ControlMessage[]) => void
}

export class Handoff implements ThreadPort, Place {
  readonly #options: HandoffOptions
  readonly #slots: (QueuedMethod | undefined)[]
  readonly #free: number[]
  readonly #batcher: MessageBatcher<ControlMessage>
  readonly #sweep: OverdueSweep
  #sequence = 0
  /** Size of the payloads of all methods that the thread has. */
  #bytes = 0
  #closed = false
  suspended = false
  /** The method that runs alone in the thread, until it has ended. */
  #exclusive: QueuedMethod | undefined
  readonly #idle: (() => void)[] = []

  constructor(options: HandoffOptions) {
    this.#options = options
    this.#slots = new Array(options.slots.length).fill(undefined)
    this.#free = Array.from({ length: options.slots.length }, (_, slot) => slot)
    this.#batcher = new MessageBatcher(options.post, (message) => this.#refused(message))
    this.#sweep = new OverdueSweep(this, options)
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

  /** Are all methods that still run overdue? */
  get allOverdue(): boolean {
    return this.#sweep.allOverdue
  }

  /** The methods that the thread has begun and not ended. */
  get running(): QueuedMethod[] {
    return this.#slots.filter((method) => method !== undefined).filter((method) => this.hasBegun(method))
  }

  /** When the oldest of the methods was queued that the thread has not begun; infinite if it has begun all. */
  get oldestWaitingAt(): number {
    let oldest = Number.POSITIVE_INFINITY
    for (const method of this.#slots) {
      if (method !== undefined && method.queuedAt < oldest && !this.hasBegun(method)) oldest = method.queuedAt
    }
    return oldest
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
    this.#sweep.start()
    if (this.#batcher.size >= BATCH_LENGTH) this.#batcher.flush()
  }

  /** Posts another message, in order with the methods. */
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
    if (message.slot >= this.#slots.length) throw new TypeError('it posted a result for no method')
    const method = this.#slots[message.slot]
    // P3: the late result of an abandoned attempt finds another sequence number in its slot.
    if (method?.sequence !== message.sequence) return
    switch (message.type) {
      case 'progress':
        // An abandoned attempt may go on; nobody gets its progress.
        if (!method.settled) method.onProgress?.(message.fraction, message.note)
        return
      case 'item':
        if (method.format !== 'clone') checkEncodedValue(message.value)
        method.receive(message.value, message.cost)
        return
      case 'result':
        if (method.format !== 'clone') checkEncodedValue(message.value)
        method.ranMs = message.ranUs / 1_000
        method.succeed(message.value)
        break
      case 'failure':
        method.ranMs = message.ranUs / 1_000
        method.fail(toError(method, message.failure))
        break
    }
    this.#release(message.slot)
    this.#options.queue.drainEstimate.methodEnded()
  }

  /** Takes nothing more. The methods that have not begun go back to the front of the queue, for other threads. */
  close(): void {
    this.#closed = true
    this.#options.queue.detach(this)
    this.recall(['call', 'cast'])
    this.#options.queue.pump()
  }

  /** Gives the methods that have not begun back to the front of the queue. */
  recall(kinds: readonly QueuedMethod['kind'][]): void {
    this.#takeBack((method) => kinds.includes(method.kind))
  }

  giveBack(count: number): void {
    this.#takeBack(() => true, count)
  }

  #takeBack(isWanted: (method: QueuedMethod) => boolean, most = Number.POSITIVE_INFINITY): void {
    const handed = this.#slots.filter((method) => method !== undefined).sort((a, b) => a.sequence - b.sequence)
    const taken: QueuedMethod[] = []
    for (const method of handed) {
      if (taken.length === most) break
      if (!isWanted(method) || !this.#options.slots.revoke(method.slot, method.sequence)) continue
      taken.push(method)
      this.#vacate(method.slot)
    }
    this.#options.queue.putBack(taken)
  }

  /**
   * The thread does not respond: until it does, it gets nothing, and the methods it has not begun go to other threads.
   */
  suspend(): void {
    this.suspended = true
    this.recall(['call', 'cast'])
    this.#options.queue.pump()
  }

  resume(): void {
    this.suspended = false
    this.#options.queue.pump()
  }

  get stealable(): number {
    const { load } = this
    if (load < 2 || this.runsExclusive) return 0
    const running = this.running.length
    // A thread that runs nothing is about to begin them itself.
    return running === 0 ? 0 : load - running
  }

  /** The thread is gone: the methods that it had begun fail, at once. */
  abandon(reason: (method: QueuedMethod) => ThreadplaneError): void {
    this.close()
    this.#sweep.stop()
    const inCompany = this.load > 1
    for (const [slot, method] of this.#slots.entries()) {
      if (method === undefined) continue
      method.diedInCompany = inCompany
      method.fail(reason(method))
      this.#release(slot)
    }
  }

  /** Resolves as soon as the thread has ended all methods handed to it. */
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

  /** The message could not be posted: a caller in this process gave a payload that structured clone does not take. */
  #refused(message: ControlMessage): void {
    if (message.type !== 'run') return
    const method = this.#slots[message.slot]
    if (method?.sequence !== message.sequence) return
    const issue = { pointer: '', message: 'It cannot be sent to a thread: it is nested too deeply or not plain data' }
    method.fail(method.error('VALIDATION_FAILED', issue.message, { errors: [issue] }))
    this.#options.slots.revoke(message.slot, message.sequence)
    this.#release(message.slot)
  }
}
