/**
 * The bounded queue in front of a service's threads. Priority, deadline and abort are decided here, on the control
 * thread; what has been handed to a thread but not begun comes back here when the thread dies.
 * Source: mode/threads.py MethodQueue
 */
import { ThreadplaneError } from '../contract/errors.ts'
import { PriorityList } from './priority-list.ts'
import type { Place, QueuedMethod } from './queued-method.ts'

/** A thread that takes methods from the queue. */
export interface ThreadPort {
  /** How many more methods it takes now. */
  readonly room: number
  /** How many it has begun: the least loaded is served first. */
  readonly load: number
  /** Is it running a method that runs exclusively? */
  readonly runsExclusive: boolean
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
  readonly #ports = new Set<ThreadPort>()
  /** By several threads. A field, as every method that ends asks for it. */
  isShared = false
  readonly #calls = new PriorityList()
  readonly #casts = new PriorityList()
  /** Casts that are to run alone. */
  readonly #exclusive = new PriorityList()
  /** The thread that takes nothing more, until it has ended what it was handed and the next of them can run there. */
  #reserved: { port: ThreadPort; for: QueuedMethod } | undefined
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
    return this.#calls.size + this.#casts.size + this.#exclusive.size
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
    if (method.exclusive) this.pump()
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
    const lists = kinds.flatMap((kind) => (kind === 'call' ? [this.#calls] : [this.#casts, this.#exclusive]))
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

  attach(port: ThreadPort): void {
    this.#ports.add(port)
    this.isShared = this.#ports.size > 1
    this.pump()
  }

  detach(port: ThreadPort): void {
    this.#ports.delete(port)
    this.isShared = this.#ports.size > 1
    if (this.#reserved?.port === port) this.#release(this.#reserved.for)
  }

  /**
   * A thread has nothing left to begin. Where nothing waits here either, it is given half of what another was handed
   * and has not come to, behind a method that takes its time.
   */
  share(idle: ThreadPort): void {
    if (this.#paused || this.size > 0 || idle === this.#reserved?.port) return
    let most = 0
    let busiest: ThreadPort | undefined
    for (const port of this.#ports) {
      const { heldUp } = port
      if (port === idle || heldUp <= most) continue
      most = heldUp
      busiest = port
    }
    busiest?.giveBack(Math.ceil(most / 2))
    this.pump()
  }

  /** Resolves as soon as nothing waits. */
  async drained(): Promise<void> {
    if (this.size > 0) await new Promise<void>((resolve) => this.#drained.push(resolve))
  }

  /** Hands out as much as the ports take. They call it when they have room again. */
  pump(): void {
    if (this.#paused) return
    while (this.#calls.size + this.#casts.size > 0) {
      const port = this.#leastLoaded()
      if (port === undefined) break
      const method = this.#nextList().first() as QueuedMethod
      this.#remove(method)
      port.hand(method)
    }
    while (this.#exclusive.size > 0 && this.#handExclusive());
  }

  /**
   * After the others, so that these have their turn between two of those that run alone. True if it was handed out,
   * false if it waits for its thread.
   */
  #handExclusive(): boolean {
    this.#reserved ??= this.#reserve()
    if (this.#reserved === undefined || this.#reserved.port.load > 0) return false
    const { port, for: method } = this.#reserved
    this.#remove(method)
    port.hand(method)
    return true
  }

  #reserve(): { port: ThreadPort; for: QueuedMethod } | undefined {
    const [port] = [...this.#ports]
      .filter(({ runsExclusive, suspended }) => !runsExclusive && !suspended)
      .sort((a, b) => a.load - b.load)
    const method = this.#exclusive.first()
    if (port === undefined || method === undefined) return undefined
    method.isNext = true
    return { port, for: method }
  }

  #release(method: QueuedMethod): void {
    method.isNext = false
    this.#reserved = undefined
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

  #leastLoaded(): ThreadPort | undefined {
    let best: ThreadPort | undefined
    for (const port of this.#ports) {
      if (port === this.#reserved?.port) continue
      if (port.room > 0 && (best === undefined || port.load < best.load)) best = port
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
    if (method.exclusive) return this.#exclusive
    return method.kind === 'call' ? this.#calls : this.#casts
  }

  #add(method: QueuedMethod, end: 'first' | 'last'): void {
    method.place = this
    this.#bytes += method.bytes
    this.#list(method).add(method, end)
  }

  #remove(method: QueuedMethod): void {
    method.place = undefined
    if (this.#reserved?.for === method) this.#release(method)
    this.#bytes -= method.bytes
    this.#list(method).remove(method)
    if (this.size === 0) for (const resolve of this.#drained.splice(0)) resolve()
  }
}
