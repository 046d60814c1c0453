/**
 * The bounded queue in front of a service's threads. Priority, deadline and abort are decided here, on the control
 * thread; what has been handed to a thread but not begun comes back here when the thread dies.
 * Source: mode/threads.py MethodQueue
 */
import { ThreadplaneError } from '../contract/errors.ts'
import { PriorityList } from './priority-list.ts'
import type { Place, QueuedMethod } from './queued-method.ts'

/** A thread that takes methods from the queue. */
export interface Consumer {
  /** How many more methods it takes now. */
  readonly room: number
  /** How many it has begun: the least loaded is served first. */
  readonly load: number
  /** Is it running a method that runs alone? */
  readonly runsAlone: boolean
  /** It does not answer: nothing is handed to it. */
  readonly suspended: boolean
  /** Methods it was handed and has not begun, while others there go on. */
  readonly heldUp: number
  /** Gives so many of those back to the front of the queue, the oldest first. */
  giveBack(count: number): void
  hand(method: QueuedMethod): void
}

type Rejection = (method: QueuedMethod) => ThreadplaneError

/** While both wait, one method in so many is a cast. */
const CAST_SHARE = 8

export interface MethodQueueOptions {
  service: string
  /** Methods that may wait. */
  capacity: number
  /** Bytes of payloads that may wait. */
  maxBytes: number
}

export class MethodQueue implements Place {
  #options: MethodQueueOptions
  readonly #consumers = new Set<Consumer>()
  /** By several threads. A field, as every method that ends asks for it. */
  isShared = false
  readonly #calls = new PriorityList()
  readonly #casts = new PriorityList()
  /** Casts that are to run alone. */
  readonly #alone = new PriorityList()
  /** The thread that takes nothing more, until it has ended what it was handed and the next of them can run there. */
  #kept: { consumer: Consumer; for: QueuedMethod } | undefined
  #bytes = 0
  #turn = 0
  #paused = false
  #closed: Rejection | undefined
  #completedPerMs = 0
  #completedAt = performance.now()
  readonly #drained: (() => void)[] = []

  constructor(options: MethodQueueOptions) {
    this.#options = options
  }

  /** The module may have said more of itself meanwhile. */
  set limits(limits: Pick<MethodQueueOptions, 'capacity' | 'maxBytes'>) {
    this.#options = { ...this.#options, ...limits }
  }

  get capacity(): number {
    return this.#options.capacity
  }

  get size(): number {
    return this.#calls.size + this.#casts.size + this.#alone.size
  }

  get paused(): boolean {
    return this.#paused
  }

  set paused(paused: boolean) {
    this.#paused = paused
    this.pump()
  }

  /** @throws QUEUE_FULL */
  enqueue(method: QueuedMethod): void {
    if (this.#closed !== undefined) throw this.#closed(method)
    const { service, capacity, maxBytes } = this.#options
    // One that is larger than that alone has nothing to wait for.
    if (this.size >= capacity || (this.size > 0 && this.#bytes + method.bytes > maxBytes)) {
      const limit = this.size >= capacity ? `${this.size} methods` : `${this.#bytes} bytes of payloads`
      throw new ThreadplaneError('QUEUE_FULL', `${limit} are waiting for ${service} already`, {
        service,
        method: method.method,
        started: false,
        retryAfterSeconds: this.#secondsToDrain(),
      })
    }
    this.#add(method, 'last')
    this.pump()
  }

  /**
   * Methods that were handed out and not begun, in the order they were handed. They lose no place, and wait: whoever
   * takes them back may have other plans for them than the next thread with room.
   */
  putBack(methods: QueuedMethod[]): void {
    for (const method of methods.reverse()) {
      if (this.#closed !== undefined) method.fail(this.#closed(method))
      else if (!method.settled) this.#add(method, 'first')
    }
  }

  withdraw(method: QueuedMethod): boolean {
    this.#remove(method)
    // The thread that was kept for it has room for others.
    if (method.alone) this.pump()
    return false
  }

  reclaim(method: QueuedMethod): boolean {
    this.withdraw(method)
    return true
  }

  hasBegun(): boolean {
    return false
  }

  /** Fails what waits, or the casts among it; nobody will come to run it. */
  rejectAll(reason: Rejection, kinds: readonly QueuedMethod['kind'][] = ['call', 'cast']): void {
    const lists = kinds.flatMap((kind) => (kind === 'call' ? [this.#calls] : [this.#casts, this.#alone]))
    for (const list of lists) {
      for (let method = list.first(); method !== undefined; method = list.first()) {
        this.#remove(method)
        method.fail(reason(method))
      }
    }
    this.pump()
  }

  /** From now on whatever comes in fails, as does what waits. */
  close(reason: Rejection): void {
    this.#closed = reason
    this.rejectAll(reason)
  }

  open(): void {
    this.#closed = undefined
  }

  attach(consumer: Consumer): void {
    this.#consumers.add(consumer)
    this.isShared = this.#consumers.size > 1
    this.pump()
  }

  detach(consumer: Consumer): void {
    this.#consumers.delete(consumer)
    this.isShared = this.#consumers.size > 1
    if (this.#kept?.consumer === consumer) this.#release(this.#kept.for)
  }

  /**
   * A thread has nothing left to begin. Where nothing waits here either, it is given half of what another was handed
   * and has not come to, behind a method that takes its time.
   */
  share(idle: Consumer): void {
    if (this.#paused || this.size > 0 || idle === this.#kept?.consumer) return
    let most = 0
    let busiest: Consumer | undefined
    for (const consumer of this.#consumers) {
      const { heldUp } = consumer
      if (consumer === idle || heldUp <= most) continue
      most = heldUp
      busiest = consumer
    }
    busiest?.giveBack(Math.ceil(most / 2))
    this.pump()
  }

  /** Resolves as soon as nothing waits. */
  async drained(): Promise<void> {
    if (this.size > 0) await new Promise<void>((resolve) => this.#drained.push(resolve))
  }

  /** Hands out as much as the consumers take. They call it when they have room again. */
  pump(): void {
    if (this.#paused) return
    while (this.#calls.size + this.#casts.size > 0) {
      const consumer = this.#leastLoaded()
      if (consumer === undefined) break
      const method = this.#nextList().first() as QueuedMethod
      this.#remove(method)
      consumer.hand(method)
    }
    while (this.#alone.size > 0 && this.#handAlone());
  }

  /**
   * After the others, so that these have their turn between two of those that run alone. True if it was handed out,
   * false if it waits for its thread.
   */
  #handAlone(): boolean {
    this.#kept ??= this.#keep()
    if (this.#kept === undefined || this.#kept.consumer.load > 0) return false
    const { consumer, for: method } = this.#kept
    this.#remove(method)
    consumer.hand(method)
    return true
  }

  #keep(): { consumer: Consumer; for: QueuedMethod } | undefined {
    const [consumer] = [...this.#consumers]
      .filter(({ runsAlone, suspended }) => !runsAlone && !suspended)
      .sort((a, b) => a.load - b.load)
    const method = this.#alone.first()
    if (consumer === undefined || method === undefined) return undefined
    method.isNext = true
    return { consumer, for: method }
  }

  #release(method: QueuedMethod): void {
    method.isNext = false
    this.#kept = undefined
  }

  /** Told of every method that ended, for the estimate of when there is room again. */
  completed(): void {
    const now = performance.now()
    const elapsedMs = Math.max(now - this.#completedAt, 0.001)
    this.#completedAt = now
    this.#completedPerMs += (1 / elapsedMs - this.#completedPerMs) * Math.min(elapsedMs / 1_000, 1)
  }

  /** Between 1 and 60 seconds: what waits, at the rate of the last seconds. */
  #secondsToDrain(): number {
    const seconds = this.#completedPerMs > 0 ? this.size / this.#completedPerMs / 1_000 : 1
    return Math.min(Math.max(Math.ceil(seconds), 1), 60)
  }

  #leastLoaded(): Consumer | undefined {
    let best: Consumer | undefined
    for (const consumer of this.#consumers) {
      if (consumer === this.#kept?.consumer) continue
      if (consumer.room > 0 && (best === undefined || consumer.load < best.load)) best = consumer
    }
    return best
  }

  /** Calls before casts, but for one in eight, so that neither starves the other. */
  #nextList(): PriorityList {
    if (this.#casts.size === 0) return this.#calls
    if (this.#calls.size === 0) return this.#casts
    this.#turn = (this.#turn + 1) % CAST_SHARE
    return this.#turn === 0 ? this.#casts : this.#calls
  }

  #list(method: QueuedMethod): PriorityList {
    if (method.alone) return this.#alone
    return method.kind === 'call' ? this.#calls : this.#casts
  }

  #add(method: QueuedMethod, end: 'first' | 'last'): void {
    method.place = this
    this.#bytes += method.bytes
    this.#list(method).add(method, end)
  }

  #remove(method: QueuedMethod): void {
    method.place = undefined
    if (this.#kept?.for === method) this.#release(method)
    this.#bytes -= method.bytes
    this.#list(method).remove(method)
    if (this.size === 0) for (const resolve of this.#drained.splice(0)) resolve()
  }
}
