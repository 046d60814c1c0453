/**
 * Owns one `node:worker_threads` `Worker`, and is the only one to make one. It starts a thread, posts to it, and
 * knows when it has ended; what the messages mean is the business of ServiceThread.
 * Source: mode/threads.py WorkerThread
 */
import { type EventLoopUtilityFunction, performance as mainPerformance } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import type { ResolvedServiceOptions } from '../options.ts'
import type { ControlMessage, ThreadData, ThreadMessage } from '../protocol.ts'
import { packControl, type ThreadWire, unpackThread } from '../wire.ts'
import { within } from '../within.ts'
import { readStack, type ThreadStack } from './thread-stack.ts'

/** How long a termination is waited for; native code cannot be interrupted, and is reported then. */
const TERMINATE_TIMEOUT_MS = 2_000

export interface WorkerThreadOptions {
  data: ThreadData
  limits: ResolvedServiceOptions['limits']
  onMessages: (messages: ThreadMessage[]) => void
  /** The thread threw before it could say so itself: out of memory, or the entry did not load. */
  onError: (error: Error) => void
  /** The thread has ended, in whatever way. */
  onExit: (exitCode: number) => void
}

export class WorkerThread {
  /** Those that have been launched and have not ended. */
  static readonly alive = new Set<WorkerThread>()
  readonly #options: WorkerThreadOptions
  #worker: Worker | undefined
  #stopped: Promise<void> = Promise.resolve()
  #lastUtilization = mainPerformance.eventLoopUtilization()

  constructor(options: WorkerThreadOptions) {
    this.#options = options
  }

  /** Launches the thread, and does not wait for it. */
  start(): void {
    const { data, limits, onMessages, onError, onExit } = this.#options
    const worker = new Worker(new URL('../thread/entry.js', import.meta.url), {
      workerData: data,
      name: data.service,
      resourceLimits: limits,
      stdout: true,
      stderr: true,
    })
    this.#worker = worker
    WorkerThread.alive.add(this)
    // What JavaScript writes comes as log messages; unread, the rest would pile up.
    worker.stdout.resume()
    worker.stderr.resume()
    worker.on('message', (messages: ThreadWire[]) => onMessages(messages.map(unpackThread)))
    worker.on('error', onError)
    worker.on('messageerror', onError)
    this.#stopped = new Promise((resolve) => {
      worker.on('exit', (exitCode) => {
        this.#worker = undefined
        WorkerThread.alive.delete(this)
        onExit(exitCode)
        resolve()
      })
    })
  }

  get threadId(): number {
    return this.#worker?.threadId ?? -1
  }

  get isStopped(): boolean {
    return this.#worker === undefined
  }

  post(messages: ControlMessage[]): void {
    this.#worker?.postMessage(messages.map(packControl))
  }

  /** Waits until the thread has ended by itself: mode's join. */
  async stop(): Promise<void> {
    await this.#stopped
  }

  /** Ends the thread now. False if it does not end, because it is in native code. */
  async terminate(): Promise<boolean> {
    const ended = this.#worker === undefined ? this.#stopped : this.#worker.terminate().then(() => this.#stopped)
    return within(ended, TERMINATE_TIMEOUT_MS)
  }

  /** What it is doing now; `undefined` if it has ended. */
  async stack(): Promise<ThreadStack | undefined> {
    return this.#worker && readStack(this.#worker.threadId)
  }

  /** Share of the time since the last look in which the thread's event loop was busy, 0 to 1. */
  eventLoopUtilization(): number {
    if (this.#worker === undefined) return 0
    const current: ReturnType<EventLoopUtilityFunction> = this.#worker.performance.eventLoopUtilization()
    const { utilization } = this.#worker.performance.eventLoopUtilization(current, this.#lastUtilization)
    this.#lastUtilization = current
    return Number.isFinite(utilization) ? Math.min(Math.max(utilization, 0), 1) : 0
  }
}
