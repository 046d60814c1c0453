/**
 * The bounded queue in front of a service's threads, on the control thread: priorities, deadlines and aborts take
 * effect here. Methods that were handed to a thread and have not begun come back here when the thread dies.
 * Source: mode/threads.py MethodQueue
 */
import { ThreadplaneError } from '../contract/errors.ts'
import { DrainEstimate } from './drain-estimate.ts'
import { PriorityList } from './priority-list.ts'
import type { Place, QueuedMethod } from './queued-method.ts'

/** A thread that takes methods from the queue. */
export interface ThreadPort {
  /** How many more methods the thread takes now. */
  readonly room: number
  /** How many methods were handed to the thread and have not ended: the least loaded thread gets the next one. */
  readonly load: number
  /** Does the thread run a method that has to run alone? */
  readonly runsExclusive: boolean
  /** The thread does not respond: nothing is handed to it. */
  readonly suspended: boolean
  /** How many methods another thread may take over: handed to this thread, and not begun as others run there. */
  readonly stealable: number
  /** Gives methods that have not begun back to the front of the queue: the oldest, so many at most. */
  giveBack(count: number): void
  hand(method: QueuedMethod): void
}

type Rejection = (method: QueuedMethod) => ThreadplaneError

/** While calls and casts wait, one method in so many is a cast. */
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
  /** Do several threads take from the queue? A field and no getter: it is read for every method that ends. */
  isShared = false
  readonly #calls = new PriorityList()
  readonly #casts = new PriorityList()
  /** Casts that have to run alone in their thread. */
  readonly #exclusive = new PriorityList()
  /**
   * The thread that is kept free for the next exclusive cast: it gets nothing, and runs the cast once it has no other.
   */
  #reserved: { port: ThreadPort; for: QueuedMethod } | undefined
  #bytes = 0
  #turn = 0
  #paused = false
  #closed: Rejection | undefined
  /** Told of every method that ends. */
  readonly drainEstimate = new DrainEstimate()
  readonly #drained: (() => void)[] = []

  constructor(options: MethodQueueOptions) {
    this.#options = options
  }

  /** Changed when the module has described itself, and by `PATCH`. */
  set limits(limits: Pick<MethodQueueOptions, 'capacity' | 'maxBytes'>) {
    this.#options = { ...this.#options, ...limits }
  }

  get capacity(): number {
    return this.#options.capacity
  }

  get size(): number {
    return this.#calls.size + this.#casts.size + this.#exclusive.size
  }

  /** Size of the payloads that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** When the oldest method that waits here was queued; infinite if none waits. */
  get oldestWaitingAt(): number {
    return Math.min(this.#calls.oldestAt, this.#casts.oldestAt, this.#exclusive.oldestAt)
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
    // A payload above `maxBytes` is accepted only into an empty queue.
    if (this.size >= capacity || (this.size > 0 && this.#bytes + method.bytes > maxBytes)) {
      const limit = this.size >= capacity ? `${this.size} methods` : `${this.#bytes} bytes of payloads`
      throw new ThreadplaneError('QUEUE_FULL', `${limit} are waiting for ${service} already`, {
        service,
        method: method.method,
        started: false,
        retryAfterSeconds: this.drainEstimate.secondsFor(this.size),
      })
    }
    this.#add(method, 'last')
    this.pump()
  }

  /**
   * Puts methods back that were handed to a thread and have not begun, in the order they were handed: they keep their
   * places. Hands nothing out: the caller may reject the methods, or closes its thread first.
   */
  putBack(methods: QueuedMethod[]): void {
    for (const method of methods.reverse()) {
      if (this.#closed !== undefined) method.fail(this.#closed(method))
      else if (!method.settled) this.#add(method, 'first')
    }
  }

  withdraw(method: QueuedMethod): boolean {
    this.#remove(method)
    // The thread that was reserved for it has room for others.
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

  /** Fails the methods that wait, or the casts among them. */
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

  /** Fails the methods that wait, and from now on each one that is enqueued or put back. */
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
   * Called for a thread that has nothing left to begin. If the queue is empty too, the thread gets half of the methods
   * that wait in the busiest other thread, behind methods that run there.
   */
  share(idle: ThreadPort): void {
    if (this.#paused || this.size > 0 || idle === this.#reserved?.port) return
    let most = 0
    let busiest: ThreadPort | undefined
    for (const port of this.#ports) {
      const { stealable } = port
      if (port === idle || stealable <= most) continue
      most = stealable
      busiest = port
    }
    busiest?.giveBack(Math.ceil(most / 2))
    this.pump()
  }

  /** Resolves as soon as the queue is empty. */
  async drained(): Promise<void> {
    if (this.size > 0) await new Promise<void>((resolve) => this.#drained.push(resolve))
  }

  /** Hands out as many methods as the threads take. Called by a port that has room again. */
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
   * Hands out an exclusive cast: after the other methods, so that they have their turn between two exclusive casts.
   * False if the cast still has to wait for its thread.
   */
  #handExclusive(): boolean {
    this.#reserved ??= this.#reserve()
    if (this.#reserved === undefined) return false
    if (this.#reserved.port.load > 0) {
      const better = this.#betterThan(this.#reserved.port)
      if (better === undefined) return false
      this.#reserved.port = better
      // The thread that was reserved before takes others again.
      this.pump()
      return false
    }
    const { port, for: method } = this.#reserved
    this.#remove(method)
    port.hand(method)
    return true
  }

  /** A thread that is idle; in place of one that does not respond, any other. */
  #betterThan(reserved: ThreadPort): ThreadPort | undefined {
    const port = this.#leastLoadedForExclusive()
    return port !== reserved && (port?.load === 0 || reserved.suspended) ? port : undefined
  }

  #leastLoadedForExclusive(): ThreadPort | undefined {
    const [port] = [...this.#ports]
      .filter(({ runsExclusive, suspended }) => !runsExclusive && !suspended)
      .sort((a, b) => a.load - b.load)
    return port
  }

  #reserve(): { port: ThreadPort; for: QueuedMethod } | undefined {
    const port = this.#leastLoadedForExclusive()
    const method = this.#exclusive.first()
    if (port === undefined || method === undefined) return undefined
    method.isNext = true
    return { port, for: method }
  }

  #release(method: QueuedMethod): void {
    method.isNext = false
    this.#reserved = undefined
  }

  #leastLoaded(): ThreadPort | undefined {
    let best: ThreadPort | undefined
    for (const port of this.#ports) {
      if (port === this.#reserved?.port) continue
      if (port.room > 0 && (best === undefined || port.load < best.load)) best = port
    }
    return best
  }

  /** Calls before casts, except that one method in eight is a cast: neither starves the other. */
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
