/**
 * One life of a thread, from launch to end: the handshake of the start, the heartbeat, and the reason of its death.
 * A ServiceThread has one at a time, and more while threads are replaced.
 */
import type { CrashKind } from '../contract/crash-kind.ts'
import type { ServiceDescription } from '../contract/description.ts'
import type { ServiceLog } from '../contract/log.ts'
import { fromWireError, ThreadplaneError } from '../contract/errors.ts'
import type { Isolation, ResolvedServiceOptions } from '../contract/options.ts'
import type { ControlMessage, ThreadMessage } from '../protocol/messages.ts'
import { HEARTBEAT_EVERY_MS } from '../protocol/heartbeat.ts'
import { SlotTable } from '../protocol/slot-table.ts'
import type { Slots } from '../protocol/slots.ts'
import { withStack } from '../diagnostics/with-stack.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import { LogWriter } from './log-writer.ts'
import type { ServiceWorker, ServiceWorkerOptions } from './service-worker.ts'
import { WorkerProcess } from './worker-process.ts'
import { WorkerThread } from './worker-thread.ts'

/** How often the heartbeat is looked at. Source: mode/threads.py ServiceThread._keepalive2 */
const KEEPALIVE_EVERY_MS = 1_100
const UNRESPONSIVE_AFTER_MS = 3_000
/** A hang is noticed within this part of `hangTimeoutMs`; so often the thread beats, and is looked at. */
const HANG_LOOKS = 8
/** What the look at a thread may delay its end. */
const LOOK_WITHIN_MS = 250
/**
 * A thread that was told to crash has done so by then, or does not listen. A heap takes its time to be filled; and a
 * hang is there to be seen, but not for ever.
 */
const CRASH_WITHIN_MS = { exception: 1_000, exit: 1_000, oom: 10_000, hang: 10_000 } as const satisfies Record<
  CrashKind,
  number
>
/** The exit code of Node where nothing is left to do, and a module still awaits. */
const UNSETTLED_AWAIT = 13

const WORKERS = { thread: WorkerThread, process: WorkerProcess } as const satisfies Record<
  Isolation,
  ServiceWorkerClass
>

/** `WorkerThread`, `WorkerProcess`, or a class of one's own. */
export type ServiceWorkerClass = new (options: ServiceWorkerOptions) => ServiceWorker

/** Whoever a thread serves, and is told of what becomes of it. */
export interface SessionOwner {
  /** What the thread says once it has started, but for logs. */
  onMessage: (message: ThreadMessage) => void
  /** The thread has ended without being told to, or hangs and is to be ended. */
  onDeath: (reason: Error) => void
  /** Its event loop has not turned for 3 s; or does again. */
  onResponsive: (responsive: boolean) => void
}

const NOBODY: SessionOwner = { onMessage: () => {}, onDeath: () => {}, onResponsive: () => {} }

/** What a thread is given at its birth, and nothing changes after that. */
export type Birth = Pick<ResolvedServiceOptions, 'isolation' | 'limits'>

export interface ThreadSessionOptions extends Birth {
  service: string
  /** `file:` URL of the service module. */
  module: string
  /** Another class than that of the isolation. */
  Worker?: ServiceWorkerClass | undefined
  log: ServiceLog
}

let lastId = 0

export class ThreadSession {
  readonly id = ++lastId
  readonly worker: ServiceWorker
  readonly startedAt = new Date()
  /** Settled by the module's description, or by what kept it from being made. */
  readonly described: Promise<ServiceDescription>
  readonly birth: Birth
  /** Nobody, until somebody wants to start it. */
  owner = NOBODY
  slots: Slots = new SlotTable(0)
  /** When the thread was last seen to be awake, in milliseconds since the epoch, by a monotonic clock. */
  lastWakeupAt = now()
  responsive = true
  readonly #options: ThreadSessionOptions
  #keepalive: NodeJS.Timeout | undefined
  #lookEveryMs = KEEPALIVE_EVERY_MS
  #lookedAt = performance.now()
  #silentMs = 0
  /** Silent for so long it is given up; only while it runs, as start and stop have bounds of their own. */
  #hangTimeoutMs = Number.POSITIVE_INFINITY
  #looking: Promise<unknown> = Promise.resolve()
  #crashedOnPurpose = false
  readonly #lines: LogWriter
  readonly #describe = new Deferred<ServiceDescription>()
  readonly #start = new Deferred<void>()
  #beats = 0
  /** Is its end a surprise? */
  #expected = false
  #lastWords: Error | undefined
  #death: Error | undefined

  constructor(options: ThreadSessionOptions) {
    this.#options = options
    this.described = this.#describe.promise
    const { service, module, isolation, limits, log, Worker = WORKERS[isolation] } = options
    this.#lines = new LogWriter(service, log)
    this.birth = { isolation, limits }
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
    this.worker.start()
    this.#watch()
  }

  /** Runs the hooks of the start in the thread; resolves once it takes methods. */
  async start(options: ResolvedServiceOptions, restarted: boolean): Promise<void> {
    const { numWorkers, prefetch, maxResultBytes, hangTimeoutMs } = options
    // Since it described itself.
    if (this.#death !== undefined) throw this.#death
    this.slots = this.worker.slots(numWorkers + prefetch)
    const beatEveryMs = Math.min(HEARTBEAT_EVERY_MS, hangTimeoutMs / HANG_LOOKS)
    this.send({ type: 'start', numWorkers, maxResultBytes, slots: this.slots.shared, beatEveryMs, restarted })
    this.#lookEveryMs = Math.min(KEEPALIVE_EVERY_MS, hangTimeoutMs / HANG_LOOKS)
    this.#watch()
    await this.#start.promise
    // Its last messages and its end may be seen in one turn.
    if (this.#death !== undefined) throw this.#death
    this.#silentMs = 0
    this.#hangTimeoutMs = hangTimeoutMs
  }

  /** From inside; from outside where it does not listen. That is nobody's fault. */
  crash(kind: CrashKind, reason: string): void {
    this.#crashedOnPurpose = true
    this.send({ type: 'crash', kind, reason })
    void this.#endUnlessCrashed(kind, reason)
  }

  async #endUnlessCrashed(kind: CrashKind, reason: string): Promise<void> {
    if (await resolvesWithin(this.worker.stop(), CRASH_WITHIN_MS[kind])) return
    await this.#giveUp(new Error(`${reason}; it did not end by itself, and was terminated`))
  }

  get crashedOnPurpose(): boolean {
    return this.#crashedOnPurpose
  }

  send(message: ControlMessage): void {
    this.worker.post([message])
  }

  /** Runs `onThreadStop` in the thread and waits for its end; after `timeoutMs` it is terminated. */
  async stop(timeoutMs: number): Promise<void> {
    this.#expected = true
    this.send({ type: 'stop' })
    if (await resolvesWithin(this.worker.stop(), timeoutMs)) return
    const { service, log } = this.#options
    const err = await this.withItsStack(new Error(`the thread of ${service} did not stop`))
    log.warn({ service, err }, `terminated: it did not stop within ${Math.round(timeoutMs)} ms`)
    await this.terminate()
  }

  /**
   * Gives an error the stack of the thread for its own, before that is ended for what the error says. The thread may
   * be in a state in which it cannot be looked at soon: then the error stays as it is.
   */
  async withItsStack<E extends Error>(error: E): Promise<E> {
    const look = this.worker.stack().catch(() => undefined)
    const looked = resolvesWithin(look, LOOK_WITHIN_MS)
    this.#looking = looked
    const stack = (await looked) ? await look : undefined
    return stack === undefined ? error : withStack(error, stack)
  }

  async terminate(): Promise<void> {
    this.#expected = true
    await this.#looking
    await this.worker.terminate()
  }

  #stuck(): void {
    const { service, log } = this.#options
    log.error({ service }, 'stuck: the thread is in native code and does not end')
    void this.worker.stop().then(() => log.info({ service }, 'the stuck thread has ended'))
  }

  #receive(message: ThreadMessage): void {
    const { service, log } = this.#options
    this.#answers()
    switch (message.type) {
      case 'described':
        return this.#describe.resolve(message.description)
      case 'started':
        return this.#start.resolve()
      case 'log':
        return this.#lines.write(message)
      case 'crashed':
        this.#lastWords = fromWireError(message.error)
        return
      case 'stopped':
        if (message.error) log.error({ service, err: fromWireError(message.error) }, 'error in onThreadStop')
        return
      default:
        this.owner.onMessage(message)
    }
  }

  #ended(exitCode: number): void {
    clearInterval(this.#keepalive)
    const { service } = this.#options
    const why = exitCode === UNSETTLED_AWAIT ? ': an await at the top of its module never ended' : ''
    const reason = this.#lastWords ?? new Error(`the thread of ${service} exited with code ${exitCode}${why}`)
    this.#death = reason
    this.#describe.reject(reason)
    this.#start.reject(reason)
    if (!this.#expected) this.owner.onDeath(reason)
  }

  #watch(): void {
    clearInterval(this.#keepalive)
    if (!this.worker.isStopped) this.#keepalive = setInterval(() => this.#look(), this.#lookEveryMs).unref()
  }

  #look(): void {
    const { service, log } = this.#options
    const elapsedMs = performance.now() - this.#lookedAt
    this.#lookedAt += elapsedMs
    // What holds up the whole process for a while is no thread's fault.
    this.#silentMs += Math.min(elapsedMs, 2 * this.#lookEveryMs)
    const beats = this.worker.pulse.count
    if (beats !== this.#beats) {
      this.#beats = beats
      this.#silentMs = 0
      this.lastWakeupAt = now()
      this.#answers()
    } else if (this.responsive && now() - this.lastWakeupAt > UNRESPONSIVE_AFTER_MS) {
      this.responsive = false
      log.error({ service }, 'Thread keepalive is not responding')
      this.owner.onResponsive(false)
    }
    if (this.#silentMs < this.#hangTimeoutMs) return
    const silent = `its event loop has not turned for the ${this.#hangTimeoutMs} ms of hangTimeoutMs`
    this.#hangTimeoutMs = Number.POSITIVE_INFINITY
    void this.#giveUp(new Error(`the thread of ${service} hangs: ${silent}`))
  }

  /** It is heard of, by its heartbeat or by what it says. */
  #answers(): void {
    if (this.responsive) return
    const { service, log } = this.#options
    this.responsive = true
    this.lastWakeupAt = now()
    log.info({ service }, 'Thread keepalive is responding again')
    this.owner.onResponsive(true)
  }

  /** For how long its event loop has not turned, in milliseconds. */
  get silentMs(): number {
    return this.#silentMs
  }

  /** It does not listen any more: its death is told with where it is. */
  async #giveUp(error: Error): Promise<void> {
    const reason = await this.withItsStack(error)
    if (!this.#expected && !this.worker.isStopped) this.owner.onDeath(reason)
  }

  get heapUsedBytes(): number {
    return this.worker.pulse.heapUsedBytes
  }
}

function now(): number {
  return performance.timeOrigin + performance.now()
}

/** Rejects with `START_FAILED` if a thread's promise takes longer; the caller ends the thread. */
export async function withinStartTimeout<T>(
  session: ThreadSession,
  promise: Promise<T>,
  timeoutMs: number,
  what: string,
  elapsedMs = 0,
): Promise<T> {
  if (await resolvesWithin(promise, Math.max(timeoutMs - elapsedMs, 0))) return promise
  const detail = `${what} took longer than the ${timeoutMs} ms of startTimeoutMs`
  throw await session.withItsStack(new ThreadplaneError('START_FAILED', detail))
}
