/**
 * One life of a thread, from launch to end: the handshake of the start, the heartbeat, and the reason of its death.
 * A ServiceThread has one at a time, and more while threads are replaced.
 */
import { fromWireError, ThreadplaneError } from '../errors.ts'
import type { Isolation, ResolvedServiceOptions } from '../options.ts'
import type { ControlMessage, ServiceDescription, ThreadMessage } from '../protocol.ts'
import { SlotTable } from '../shared-memory.ts'
import type { Slots } from '../slots.ts'
import { within } from '../within.ts'
import { Deferred } from './deferred.ts'
import type { ServiceLog } from './service.ts'
import type { ServiceWorker, ServiceWorkerOptions } from './service-worker.ts'
import { WorkerProcess } from './worker-process.ts'
import { WorkerThread } from './worker-thread.ts'

/** How often the heartbeat is looked at. Source: mode/threads.py ServiceThread._keepalive2 */
const KEEPALIVE_EVERY_MS = 1_100
const UNRESPONSIVE_AFTER_MS = 3_000

const WORKERS = { thread: WorkerThread, process: WorkerProcess } as const satisfies Record<
  Isolation,
  ServiceWorkerClass
>

/** `WorkerThread`, `WorkerProcess`, or a class of one's own. */
export type ServiceWorkerClass = new (options: ServiceWorkerOptions) => ServiceWorker

export interface ThreadSessionOptions {
  service: string
  /** `file:` URL of the service module. */
  module: string
  isolation: Isolation
  limits: ResolvedServiceOptions['limits']
  /** Another class than that of the isolation. */
  Worker?: ServiceWorkerClass | undefined
  log: ServiceLog | undefined
  /** What the thread says once it has started, but for logs. */
  onMessage: (message: ThreadMessage) => void
  /** The thread has ended without being told to. */
  onDeath: (reason: Error) => void
}

let lastId = 0

export class ThreadSession {
  readonly id = ++lastId
  readonly worker: ServiceWorker
  readonly startedAt = new Date()
  /** Settled by the module's description, or by what kept it from being made. */
  readonly described: Promise<ServiceDescription>
  slots: Slots = new SlotTable(0)
  /** When the thread was last seen to be awake, in milliseconds since the epoch, by a monotonic clock. */
  lastWakeupAt = now()
  responsive = true
  readonly #options: ThreadSessionOptions
  readonly #keepalive: NodeJS.Timeout
  readonly #describe = new Deferred<ServiceDescription>()
  readonly #start = new Deferred<void>()
  #beats = 0
  /** Is its end a surprise? */
  #expected = false
  #lastWords: Error | undefined

  constructor(options: ThreadSessionOptions) {
    this.#options = options
    this.described = this.#describe.promise
    const { service, module, isolation, limits, Worker = WORKERS[isolation] } = options
    this.worker = new Worker({
      service,
      module,
      limits,
      onMessages: (messages) => {
        for (const message of messages) this.#receive(message)
      },
      onError: (error) => {
        this.#lastWords ??= error
      },
      onStuck: () => this.#stuck(),
      onExit: (exitCode) => this.#ended(exitCode),
    })
    this.#keepalive = setInterval(() => this.#look(), KEEPALIVE_EVERY_MS).unref()
    this.worker.start()
  }

  /** Runs the hooks of the start in the thread; resolves once it takes methods. */
  async start(options: ResolvedServiceOptions, restarted: boolean): Promise<void> {
    const { numWorkers, prefetch, maxResultBytes } = options
    this.slots = this.worker.slots(numWorkers + prefetch)
    this.send({ type: 'start', numWorkers, maxResultBytes, slots: this.slots.shared, restarted })
    await this.#start.promise
  }

  send(message: ControlMessage): void {
    this.worker.post([message])
  }

  /** Runs `onThreadStop` in the thread and waits for its end; after `timeoutMs` it is terminated. */
  async stop(timeoutMs: number): Promise<void> {
    this.#expected = true
    this.send({ type: 'stop' })
    if (await within(this.worker.stop(), timeoutMs)) return
    this.#options.log?.warn(
      { service: this.#options.service },
      `terminated: it did not stop within ${Math.round(timeoutMs)} ms`,
    )
    await this.terminate()
  }

  async terminate(): Promise<void> {
    this.#expected = true
    await this.worker.terminate()
  }

  #stuck(): void {
    const { service, log } = this.#options
    log?.error({ service }, 'stuck: the thread is in native code and does not end')
    void this.worker.stop().then(() => log?.info({ service }, 'the stuck thread has ended'))
  }

  #receive(message: ThreadMessage): void {
    const { service, log } = this.#options
    switch (message.type) {
      case 'described':
        return this.#describe.resolve(message.description)
      case 'started':
        return this.#start.resolve()
      case 'log': {
        const fields = message.fields === undefined ? {} : (JSON.parse(message.fields) as object)
        const job = message.jobId === undefined ? {} : { jobId: message.jobId }
        return log?.[message.level]({ ...fields, service, ...job }, message.message)
      }
      case 'crashed':
        this.#lastWords = fromWireError(message.error)
        return
      case 'stopped':
        if (message.error) log?.error({ service, err: fromWireError(message.error) }, 'error in onThreadStop')
        return
      default:
        this.#options.onMessage(message)
    }
  }

  #ended(exitCode: number): void {
    clearInterval(this.#keepalive)
    const { service } = this.#options
    const reason = this.#lastWords ?? new Error(`the thread of ${service} exited with code ${exitCode}`)
    this.#describe.reject(reason)
    this.#start.reject(reason)
    if (!this.#expected) this.#options.onDeath(reason)
  }

  #look(): void {
    const { service, log } = this.#options
    const beats = this.worker.pulse.count
    if (beats !== this.#beats) {
      this.#beats = beats
      this.lastWakeupAt = now()
      if (!this.responsive) log?.info({ service }, 'Thread keepalive is responding again')
      this.responsive = true
    } else if (this.responsive && now() - this.lastWakeupAt > UNRESPONSIVE_AFTER_MS) {
      this.responsive = false
      log?.error({ service }, 'Thread keepalive is not responding')
    }
  }

  get heapUsedBytes(): number {
    return this.worker.pulse.heapUsedBytes
  }
}

function now(): number {
  return performance.timeOrigin + performance.now()
}

/** Rejects with `START_FAILED` if a promise takes longer; the caller ends what it waited for. */
export async function withinStartTimeout<T>(
  promise: Promise<T>,
  timeoutMs: number,
  what: string,
  elapsedMs = 0,
): Promise<T> {
  if (await within(promise, Math.max(timeoutMs - elapsedMs, 0))) return promise
  throw new ThreadplaneError('START_FAILED', `${what} took longer than the ${timeoutMs} ms of startTimeoutMs`)
}
