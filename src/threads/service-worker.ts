/**
 * What owns the thread of a service: starts it, posts to it, and knows when it has ended. The thread may be one of this
 * process (`WorkerThread`) or of a process of its own (`WorkerProcess`), and whoever uses it sees no difference.
 * What the messages mean is the business of ThreadSession.
 * Source: mode/threads.py WorkerThread
 */
import { type EventLoopUtilization, performance } from 'node:perf_hooks'
import type { ThreadStack } from '../contract/stack.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import type { ControlMessage, ThreadMessage } from '../protocol/messages.ts'
import type { Pulse } from '../protocol/heartbeat.ts'
import type { Slots } from '../protocol/slots.ts'
import { toWireError } from '../contract/errors.ts'
import { unpackMessages } from '../protocol/wire.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'

/** How long a termination is waited for; native code in a thread cannot be interrupted, and is reported then. */
const TERMINATE_TIMEOUT_MS = 2_000

export interface ServiceWorkerOptions {
  service: string
  /** `file:` URL of the service module. */
  module: string
  limits: ResolvedServiceOptions['limits']
  onMessages: (messages: ThreadMessage[]) => void
  /** It ends by what it could not say itself: out of memory, a native crash, or the entry did not load. */
  onError: (error: Error) => void
  /** It was told to end and has not: it is in native code. Told once. */
  onStuck: () => void
  /** It has ended, in whatever way. */
  onExit: (exitCode: number) => void
}

export abstract class ServiceWorker {
  /** Those that have been launched and have not ended. */
  static readonly alive = new Set<ServiceWorker>()
  protected readonly options: ServiceWorkerOptions
  readonly #end = new Deferred<void>()
  #life: 'new' | 'alive' | 'stuck' | 'ended' = 'new'
  #lastUtilization: EventLoopUtilization = { idle: 0, active: 0, utilization: 0 }

  constructor(options: ServiceWorkerOptions) {
    this.options = options
  }

  /** How many threads of a service were told to end and have not. */
  static stuckOf(service: string): number {
    return [...ServiceWorker.alive].filter((worker) => worker.isStuck && worker.options.service === service).length
  }

  abstract readonly pulse: Pulse
  /** Makes the slots by which both sides agree on which methods have begun. */
  abstract slots(length: number): Slots
  abstract post(messages: ControlMessage[]): void
  protected abstract launch(): void
  /** Ends the thread as soon as that is possible, without waiting for it. */
  protected abstract kill(): void
  /** What the thread is doing now; `undefined` if it has ended. */
  abstract stack(): Promise<ThreadStack | undefined>
  /** Since its start. */
  protected abstract utilization(): EventLoopUtilization

  /** Launches the thread, and does not wait for it. */
  start(): void {
    this.launch()
    this.#life = 'alive'
    ServiceWorker.alive.add(this)
  }

  get isStopped(): boolean {
    return this.#life === 'new' || this.#life === 'ended'
  }

  get isStuck(): boolean {
    return this.#life === 'stuck'
  }

  /** Waits until the thread has ended by itself: mode's join. */
  async stop(): Promise<void> {
    if (!this.isStopped) await this.#end.promise
  }

  /** Ends the thread now. False if it does not end, because it is in native code: that is waited for once. */
  async terminate(): Promise<boolean> {
    if (this.isStopped) return true
    if (this.isStuck) return false
    this.kill()
    if (await resolvesWithin(this.#end.promise, TERMINATE_TIMEOUT_MS)) return true
    if (this.#life === 'alive') {
      this.#life = 'stuck'
      this.options.onStuck()
    }
    return false
  }

  /** What a module has posted past its logger and its results ends its thread, and nothing else (P4). */
  protected receive(wires: unknown): void {
    try {
      this.options.onMessages(unpackMessages(wires))
    } catch (error) {
      this.options.onError(new Error(`the thread of ${this.options.service} is ended: ${toWireError(error).message}`))
      this.kill()
    }
  }

  protected ended(exitCode: number): void {
    if (this.isStopped) return
    this.#life = 'ended'
    ServiceWorker.alive.delete(this)
    this.options.onExit(exitCode)
    this.#end.resolve()
  }

  /** Share of the time since the last look in which the thread's event loop was busy, 0 to 1. */
  eventLoopUtilization(): number {
    const current = this.utilization()
    const { utilization } = performance.eventLoopUtilization(current, this.#lastUtilization)
    this.#lastUtilization = current
    return Number.isFinite(utilization) ? Math.min(Math.max(utilization, 0), 1) : 0
  }
}
