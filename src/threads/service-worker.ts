/**
 * Owns the thread of a service: launches it, posts messages to it, and knows when it has ended. The thread runs in this
 * process (`WorkerThread`) or in a process of its own (`WorkerProcess`); its user sees no difference. `ThreadSession`
 * gives the messages their meaning.
 * Source: mode/threads.py WorkerThread
 */
import { type EventLoopUtilization, performance } from 'node:perf_hooks'
import type { ProfileOutcome, ProfileRequest } from '../contract/profile.ts'
import type { ThreadStack } from '../contract/stack.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import type { ControlMessage, ThreadMessage } from '../protocol/messages.ts'
import type { Pulse } from '../protocol/heartbeat.ts'
import type { Slots } from '../protocol/slots.ts'
import { toWireError } from '../contract/errors.ts'
import { unpackMessages } from '../protocol/unpack-messages.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import { ensureWorkingDirectory } from '../system/working-directory.ts'
import { timings } from './timings.ts'

export interface ServiceWorkerOptions {
  /** The name of the service. */
  service: string
  /** `file:` URL of the service module. */
  module: string
  limits: ResolvedServiceOptions['limits']
  /** Names of the environment variables that the service sees; `undefined`: all. */
  env: ResolvedServiceOptions['env']
  onMessages: (messages: ThreadMessage[]) => void
  /**
   * The thread ends for a reason it could not report itself: out of memory, a native crash, an entry that did not load.
   */
  onError: (error: Error) => void
  /** The thread was terminated and still runs: it is in native code. Called once. */
  onStuck: () => void
  /** The thread has ended, for whatever reason. */
  onExit: (exitCode: number) => void
}

const IDLE: EventLoopUtilization = { idle: 0, active: 0, utilization: 0 }
const SAMPLE_EVERY_MS = 1_000

export abstract class ServiceWorker {
  /** The workers whose thread was launched and has not ended. */
  static readonly alive = new Set<ServiceWorker>()
  protected readonly options: ServiceWorkerOptions
  readonly #end = new Deferred<void>()
  #life: 'new' | 'alive' | 'stuck' | 'ended' = 'new'
  /** True once the thread has posted something wrong: it is being ended, and nothing more of it is used. */
  #isRefused = false
  /** The last two samples, the older one first. */
  #samples: [EventLoopUtilization, EventLoopUtilization] = [IDLE, IDLE]
  #sampledAt = performance.now()

  constructor(options: ServiceWorkerOptions) {
    this.options = options
  }

  /** How many threads of a service were terminated and still run. */
  static stuckOf(service: string): number {
    return [...ServiceWorker.alive].filter((worker) => worker.isStuck && worker.service === service).length
  }

  abstract readonly pulse: Pulse
  /** Makes the slots by which both sides agree on which methods have begun. */
  abstract slots(length: number): Slots
  abstract post(messages: ControlMessage[]): void
  protected abstract launch(): void
  /** Ends the thread as soon as possible, without waiting for its end. */
  protected abstract kill(): void
  /** What the thread is doing now; `undefined` if it has ended. */
  abstract stack(): Promise<ThreadStack | undefined>
  /** Records a profile of the thread in a file. `signal` ends the recording early. */
  abstract profile(request: ProfileRequest, signal: AbortSignal): Promise<ProfileOutcome>
  /** Since the start of the thread. */
  protected abstract utilization(): EventLoopUtilization

  /**
   * The name of the service. Not the ServiceThread, as in mode: a thread that describes its module is launched before
   * there is one.
   */
  get service(): string {
    return this.options.service
  }

  /** Launches the thread and returns at once. */
  start(): void {
    void this.run()
  }

  /** Launches the thread; resolves when it has ended. Source: mode/threads.py WorkerThread.run */
  run(): Promise<void> {
    ensureWorkingDirectory()
    this.launch()
    this.#life = 'alive'
    ServiceWorker.alive.add(this)
    return this.#end.promise
  }

  get isStopped(): boolean {
    return this.#life === 'new' || this.#life === 'ended'
  }

  /** Terminated, and still running, as it is in native code. */
  get isStuck(): boolean {
    return this.#life === 'stuck'
  }

  /** Waits until the thread has ended by itself: mode's join. Source: mode/threads.py WorkerThread.stop */
  async stop(): Promise<void> {
    if (!this.isStopped) await this.#end.promise
  }

  /**
   * Ends the thread now. False if it does not end, because it is in native code; only the first call waits for that.
   */
  async terminate(): Promise<boolean> {
    if (this.isStopped) return true
    if (this.isStuck) return false
    this.kill()
    if (await resolvesWithin(this.#end.promise, timings.terminateTimeoutMs)) return true
    if (this.#life === 'alive') {
      this.#life = 'stuck'
      this.options.onStuck()
    }
    return false
  }

  protected receive(wires: unknown): void {
    this.guard(() => this.options.onMessages(unpackMessages(wires)))
  }

  /** Handles what the thread has posted. A module that posts anything wrong ends its own thread, and nothing else (P4). */
  protected guard(handle: () => void): void {
    if (this.#isRefused) return
    try {
      handle()
    } catch (error) {
      this.#isRefused = true
      this.options.onError(new Error(`the thread of ${this.service} is ended: ${toWireError(error).message}`))
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

  /** Called regularly, as long as the thread lives. At most one call a second has an effect. */
  sampleUtilization(): void {
    const now = performance.now()
    if (now - this.#sampledAt < SAMPLE_EVERY_MS) return
    this.#sampledAt = now
    this.#samples = [this.#samples[1], this.utilization()]
  }

  /**
   * Share of the last seconds, one at least, in which the thread's event loop was busy, 0 to 1. It is the same for all
   * who ask: to ask changes nothing.
   */
  eventLoopUtilization(): number {
    const { utilization } = performance.eventLoopUtilization(this.utilization(), this.#samples[0])
    return Number.isFinite(utilization) ? Math.min(Math.max(utilization, 0), 1) : 0
  }
}
