/**
 * One life of a thread, from launch to end: the handshake of its start, its messages, its stop, and why it died.
 * A ServiceThread has one session at a time, and more while a thread is replaced.
 */
import type { CrashKind } from '../contract/crash-kind.ts'
import type { ServiceDescription } from '../contract/description.ts'
import type { ProfileOutcome, ProfileRequest } from '../contract/profile.ts'
import type { ServiceLog } from '../contract/log.ts'
import { fromWireError, ThreadplaneError } from '../contract/errors.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import type { ControlMessage, ThreadMessage } from '../protocol/messages.ts'
import { SlotTable } from '../protocol/slot-table.ts'
import type { Slots } from '../protocol/slots.ts'
import { withStack } from '../diagnostics/with-stack.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import { HeartbeatWatch } from './heartbeat-watch.ts'
import { LogWriter } from './log-writer.ts'
import type { ServiceWorker } from './service-worker.ts'
import { timings } from './timings.ts'
import type { ServiceWorkerClass } from './workers.ts'

/** Node's exit code for an event loop that has nothing left to do while a module still awaits at its top level. */
const UNSETTLED_AWAIT = 13

/** The service that a thread belongs to, as its session knows it. */
export interface SessionOwner {
  /** The thread has sent a message that is not about its start, its stop or its log. */
  onMessage: (message: ThreadMessage) => void
  /** The thread has ended without being told to, or it hangs and has to be ended. */
  onDeath: (reason: Error) => void
  /** The thread has had no heartbeat for 3 s (false), or it has again (true). `silentMs`: for how long it had none. */
  onResponsive: (responsive: boolean, silentMs: number) => void
  /** The thread was told to end, and does not: it is in native code. */
  onStuck: () => void
}

const NO_OWNER: SessionOwner = { onMessage: () => {}, onDeath: () => {}, onResponsive: () => {}, onStuck: () => {} }

/** The options that a thread gets at its launch, and that cannot change afterwards. */
export type LaunchOptions = Pick<ResolvedServiceOptions, 'isolation' | 'limits' | 'env'>

export interface ThreadSessionOptions extends LaunchOptions {
  service: string
  /** `file:` URL of the service module. */
  module: string
  Worker: ServiceWorkerClass
  log: ServiceLog
}

let lastId = 0

export class ThreadSession {
  readonly id = ++lastId
  readonly worker: ServiceWorker
  readonly startedAt = new Date()
  /** Resolves to the description that the module gives of itself; rejects if the thread ends before that. */
  readonly described: Promise<ServiceDescription>
  readonly launchOptions: LaunchOptions
  /** None, while the thread only describes its module. */
  owner = NO_OWNER
  slots: Slots = new SlotTable(0)
  readonly #options: ThreadSessionOptions
  readonly #logWriter: LogWriter
  readonly #heartbeat: HeartbeatWatch
  readonly #describe = new Deferred<ServiceDescription>()
  readonly #start = new Deferred<void>()
  #stackRead: Promise<unknown> = Promise.resolve()
  #crashedOnPurpose = false
  /** The thread was told to end: its end is no death. */
  #toldToEnd = false
  /** Why the thread is about to end, by its own last message or by what its worker has seen. */
  #lastError: Error | undefined
  /** Set once the thread has ended. */
  #death: Error | undefined

  constructor(options: ThreadSessionOptions) {
    this.#options = options
    this.described = this.#describe.promise
    const { service, module, isolation, limits, env, log, Worker } = options
    this.#logWriter = new LogWriter(service, this.id, log)
    this.launchOptions = { isolation, limits, env }
    this.worker = new Worker({
      service,
      module,
      limits,
      env,
      onMessages: (messages) => {
        for (const message of messages) this.#receive(message)
      },
      onError: (error) => {
        this.#lastError ??= error
      },
      onStuck: () => this.#stuck(),
      onExit: (exitCode) => this.#ended(exitCode),
    })
    this.worker.start()
    this.#heartbeat = new HeartbeatWatch(this.worker, log, {
      onResponsive: (responsive, silentMs) => this.owner.onResponsive(responsive, silentMs),
      onHang: (hangTimeoutMs) => {
        const silent = `its event loop has not turned for the ${hangTimeoutMs} ms of hangTimeoutMs`
        void this.#giveUp(new Error(`the thread of ${service} hangs: ${silent}`))
      },
    })
  }

  /** Runs the hooks of the start in the thread; resolves once the thread takes methods. */
  async start(options: ResolvedServiceOptions, restarted: boolean): Promise<void> {
    const { numWorkers, prefetch, maxResultBytes, hangTimeoutMs, config } = options
    // The thread may have died after it described its module.
    if (this.#death !== undefined) throw this.#death
    this.slots = this.worker.slots(numWorkers + prefetch)
    const beatEveryMs = this.#heartbeat.starting(hangTimeoutMs)
    this.send({ type: 'start', numWorkers, maxResultBytes, slots: this.slots.shared, beatEveryMs, config, restarted })
    await this.#start.promise
    // Its last messages and its end may arrive in one turn.
    if (this.#death !== undefined) throw this.#death
    this.#heartbeat.started(hangTimeoutMs)
  }

  /** Tells the thread to crash; one that does not react is terminated. Such a crash counts against no job. */
  crash(kind: CrashKind, reason: string): void {
    this.#crashedOnPurpose = true
    this.send({ type: 'crash', kind, reason })
    void this.#endUnlessCrashed(kind, reason)
  }

  async #endUnlessCrashed(kind: CrashKind, reason: string): Promise<void> {
    if (await resolvesWithin(this.worker.stop(), timings.crashTimeoutMs[kind])) return
    await this.#giveUp(new Error(`${reason}; it did not end by itself, and was terminated`))
  }

  /** The thread has methods to begin, and begins none. Methods of a thread that does not respond were taken back. */
  onNothingBegun(): void {
    const { service } = this.#options
    void this.#giveUp(
      new Error(`the thread of ${service} has begun nothing that it was handed for ${timings.beginWithinMs} ms`),
    )
  }

  get crashedOnPurpose(): boolean {
    return this.#crashedOnPurpose
  }

  send(message: ControlMessage): void {
    this.worker.post([message])
  }

  /** Runs `onThreadStop` in the thread and waits for the thread's end; after `timeoutMs` it is terminated. */
  async stop(timeoutMs: number): Promise<void> {
    this.#toldToEnd = true
    this.send({ type: 'stop' })
    if (await resolvesWithin(this.worker.stop(), timeoutMs)) return
    const { service, log } = this.#options
    const err = await this.withThreadStack(new Error(`the thread of ${service} did not stop`))
    log.warn({ service, err }, `terminated: it did not stop within ${Math.round(timeoutMs)} ms`)
    await this.terminate()
  }

  /**
   * Gives an error the present stack of the thread in place of its own, to show where the thread was when it was ended.
   * A thread whose stack cannot be read soon leaves the error as it is.
   */
  async withThreadStack<E extends Error>(error: E): Promise<E> {
    const reading = this.worker.stack().catch(() => undefined)
    const read = resolvesWithin(reading, timings.stackTimeoutMs)
    this.#stackRead = read
    const stack = (await read) ? await reading : undefined
    return stack === undefined ? error : withStack(error, stack)
  }

  /** Records a profile of the thread in a file. Meanwhile `hangTimeoutMs` rests: a snapshot blocks the thread. */
  async profile(request: ProfileRequest, signal: AbortSignal): Promise<ProfileOutcome> {
    const endRest = this.#heartbeat.rest()
    try {
      return await this.worker.profile(request, signal)
    } finally {
      endRest()
    }
  }

  async terminate(): Promise<void> {
    this.#toldToEnd = true
    await this.#stackRead
    await this.worker.terminate()
  }

  #stuck(): void {
    const { service, log } = this.#options
    log.error({ service }, 'stuck: the thread is in native code and does not end')
    this.owner.onStuck()
    void this.worker.stop().then(() => log.info({ service }, 'the stuck thread has ended'))
  }

  #receive(message: ThreadMessage): void {
    const { service, log } = this.#options
    this.#heartbeat.heard()
    switch (message.type) {
      case 'described':
        return this.#describe.resolve(message.description)
      case 'started':
        return this.#start.resolve()
      case 'log':
        return this.#logWriter.write(message)
      case 'crashed':
        this.#lastError = fromWireError(message.error)
        return
      case 'stopped':
        if (message.error) log.error({ service, err: fromWireError(message.error) }, 'error in onThreadStop')
        return
      case 'failure':
        this.#logWriter.writeAll()
        return this.owner.onMessage(message)
      default:
        this.owner.onMessage(message)
    }
  }

  #ended(exitCode: number): void {
    this.#heartbeat.stop()
    this.#logWriter.writeAll()
    const { service } = this.#options
    const why = exitCode === UNSETTLED_AWAIT ? ': an await at the top of its module never ended' : ''
    const reason = this.#lastError ?? new Error(`the thread of ${service} exited with code ${exitCode}${why}`)
    this.#death = reason
    this.#describe.reject(reason)
    this.#start.reject(reason)
    if (!this.#toldToEnd) this.owner.onDeath(reason)
  }

  /** Reports the death of a thread that does not react any more, with the place where it is. */
  async #giveUp(error: Error): Promise<void> {
    const reason = await this.withThreadStack(error)
    if (!this.#toldToEnd && !this.worker.isStopped) this.owner.onDeath(reason)
  }

  /** When the thread was last seen to be awake, in milliseconds since the epoch, by a monotonic clock. */
  get lastWakeupAt(): number {
    return this.#heartbeat.lastWakeupAt
  }

  /** False when the thread has had no heartbeat for 3 s. */
  get responsive(): boolean {
    return this.#heartbeat.responsive
  }

  /** For how long the thread has had no heartbeat, in milliseconds. */
  get silentMs(): number {
    return this.#heartbeat.silentMs
  }

  get heapUsedBytes(): number {
    return this.worker.pulse.heapUsedBytes
  }
}

/** Rejects with `START_FAILED` if a promise of a thread takes longer than its start may; the caller ends the thread. */
export async function withinStartTimeout<T>(
  session: ThreadSession,
  promise: Promise<T>,
  timeoutMs: number,
  what: string,
  elapsedMs = 0,
): Promise<T> {
  if (await resolvesWithin(promise, Math.max(timeoutMs - elapsedMs, 0))) return promise
  const detail = `${what} took longer than the ${timeoutMs} ms of startTimeoutMs`
  throw await session.withThreadStack(new ThreadplaneError('START_FAILED', detail))
}
