/**
 * A service that runs in a thread of its own, with its own event loop.
 * Source: mode/threads.py ServiceThread
 */
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import type { CrashKind } from '../contract/crash-kind.ts'
import type { ServiceDescription } from '../contract/description.ts'
import type { ThreadStack } from '../contract/stack.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { type ResolvedServiceOptions, resolveServiceOptions, type ServiceOptions } from '../contract/options.ts'
import type { ThreadMessage } from '../protocol/messages.ts'
import { type ChargedTo, Service, type ServiceOptionsBase } from '../supervision/service.ts'
import { ServiceWorker } from './service-worker.ts'
import { type Birth, type ServiceWorkerClass, ThreadSession, withinStartTimeout } from './thread-session.ts'

export interface ServiceThreadOptions extends ServiceOptionsBase {
  /** The service module: a `file:` URL or a path. */
  module: URL | string
  /** Override those of the module. */
  options?: ServiceOptions
  /** If it is known already; the thread describes itself anew at every start. */
  description?: ServiceDescription | undefined
  /** False: `start()` returns as soon as the thread is launched. Default true. */
  waitForThread?: boolean
  /** False: `stop()` does not wait for the thread's end, which stays bounded by `shutdownTimeoutMs`. Default true. */
  waitForShutdown?: boolean
  /** Another class that owns the thread, whatever the isolation. */
  Worker?: ServiceWorkerClass
  /** A thread in which the module has described itself, where there is one: it is started in place of a new one. */
  takeDescribed?: () => ThreadSession | undefined
  /** Told whenever the module has described itself. */
  onDescribed?: (description: ServiceDescription) => void
}

/** A service with so many threads that were told to end and have not gets no other. */
const MAX_STUCK = 8

/** The stack of one of the threads, by the id that its status shows. */
export type LiveStack = ThreadStack & { id: number }

export class ServiceThread extends Service {
  readonly module: string
  description: ServiceDescription | undefined
  readonly waitForShutdown: boolean
  protected session: ThreadSession | undefined
  readonly #settings: ServiceThreadOptions
  #overrides: ServiceOptions
  #options: ResolvedServiceOptions
  /** `restartCount` when the last thread was started. */
  #restartsSeen = 0
  readonly #launching = new Set<ThreadSession>()
  /** All threads that have not ended: those that serve, and those that start, stop or retire. */
  readonly #alive = new Set<ThreadSession>()
  /** The end of all threads there were. Another promise means that whatever was launching has been told to end. */
  #ended: Promise<unknown> = Promise.resolve()

  constructor(settings: ServiceThreadOptions) {
    super(settings)
    const { module, options = {}, description } = settings
    this.module = toFileUrl(module)
    this.description = description
    this.waitForShutdown = settings.waitForShutdown ?? true
    this.#overrides = options
    this.#options = this.#resolveOptions()
    this.#settings = settings
  }

  /** The module's options under the overrides, with every default filled in. */
  get options(): ResolvedServiceOptions {
    return this.#options
  }

  /** What a thread is given at its start it takes up at the next one. */
  set overrides(overrides: ServiceOptions) {
    this.#overrides = overrides
    this.#options = this.#resolveOptions()
  }

  #resolveOptions(): ResolvedServiceOptions {
    return resolveServiceOptions(this.description?.options ?? {}, this.#overrides)
  }

  /** Milliseconds since the epoch, by a monotonic clock; 0 where there is no thread. */
  get lastWakeupAt(): number {
    return this.session?.lastWakeupAt ?? 0
  }

  /** False when the thread has not turned its event loop for 3 s. */
  get responsive(): boolean {
    return this.session?.responsive ?? false
  }

  get eventLoopUtilization(): number {
    return this.session?.worker.eventLoopUtilization() ?? 0
  }

  get heapUsedBytes(): number {
    return this.session?.heapUsedBytes ?? 0
  }

  get threadId(): number {
    return this.session?.id ?? 0
  }

  get startedAt(): Date | undefined {
    return this.session?.startedAt
  }

  override async start(): Promise<void> {
    const { done } = await this.begin()
    // Where nobody waits, an error of the start is a crash of the service, and is told as one.
    if (this.#settings.waitForThread ?? true) await done
  }

  /** Crashes the thread on purpose, from inside. */
  crashThread(kind: CrashKind, reason: string): void {
    this.session?.crash(kind, reason)
  }

  /** What each of its threads is doing now; of those that start, stop or retire too. */
  async stacks(): Promise<LiveStack[]> {
    const looks = [...this.#alive].map(async ({ id, worker }) => ({ id, stack: await worker.stack() }))
    return (await Promise.all(looks)).flatMap(({ id, stack }) => (stack === undefined ? [] : { id, ...stack }))
  }

  /** What the thread says, but for the start and logs. */
  protected onThreadMessage(_session: ThreadSession, _message: ThreadMessage): void {}

  protected override async launch(): Promise<void> {
    const session = await this.spawn()
    if (this.state !== 'starting') return session.terminate()
    this.session = session
  }

  protected override async shutDown(timeoutMs = this.options.shutdownTimeoutMs): Promise<void> {
    const { session } = this
    this.session = undefined
    this.#endThreads(session?.stop(timeoutMs))
    if (this.waitForShutdown) await this.#ended
  }

  protected override kill(reason: Error): void {
    const { session } = this
    this.session = undefined
    this.#endThreads(session && this.endSession(session, reason))
  }

  /** Ends what is launching too. */
  #endThreads(ended: Promise<void> | undefined): void {
    const launching = [...this.#launching].map((session) => session.terminate())
    this.#ended = Promise.all([this.#ended, ended, ...launching])
  }

  /** The event loop of a thread has stopped turning, or turns again. */
  protected onResponsive(_session: ThreadSession, _responsive: boolean): void {}

  /** Ends a thread at once. */
  protected endSession(session: ThreadSession, _reason: Error): Promise<void> {
    return session.terminate()
  }

  /** Launches a thread and waits until it has started; a thread that fails to is ended. */
  protected async spawn(): Promise<ThreadSession> {
    const ended = this.#ended
    // What the thread before held, a port perhaps, is free then.
    await ended
    const since = performance.now()
    for (;;) {
      if (this.#ended !== ended) throw new ThreadplaneError('CONFLICT', `${this.name} was stopped while it started`)
      this.#refuseIfStuck()
      const session = this.#settings.takeDescribed?.() ?? this.#newSession()
      this.#own(session)
      this.#launching.add(session)
      const within = <T>(promise: Promise<T>) => {
        const elapsedMs = performance.now() - since
        return withinStartTimeout(session, promise, this.options.startTimeoutMs, `the start of ${this.name}`, elapsedMs)
      }
      try {
        this.#describe(await within(session.described))
        // Where the module itself sets what is given at birth, it is born again with that.
        if (!isDeepStrictEqual(session.birth, this.#birth)) {
          await session.terminate()
          continue
        }
        await within(session.start(this.options, this.restartCount > this.#restartsSeen))
        this.#restartsSeen = this.restartCount
        return session
      } catch (error) {
        await session.terminate()
        throw error
      } finally {
        this.#launching.delete(session)
      }
    }
  }

  get #birth(): Birth {
    const { isolation, limits } = this.options
    return { isolation, limits }
  }

  /** Threads in native code cost what they hold, perhaps for ever (P5). */
  #refuseIfStuck(): void {
    const stuck = ServiceWorker.stuckOf(this.name)
    if (stuck < MAX_STUCK) return
    throw new ThreadplaneError('START_FAILED', `${stuck} threads of ${this.name} are stuck in native code already`)
  }

  #newSession(): ThreadSession {
    const { Worker } = this.#settings
    return new ThreadSession({ service: this.name, module: this.module, ...this.#birth, log: this.log, Worker })
  }

  #own(session: ThreadSession): void {
    session.owner = {
      onMessage: (message) => this.onThreadMessage(session, message),
      onDeath: (reason) => this.onThreadDeath(session, reason),
      onResponsive: (responsive) => this.onResponsive(session, responsive),
    }
    this.#alive.add(session)
    void session.worker.stop().then(() => this.#alive.delete(session))
  }

  #describe(description: ServiceDescription): void {
    this.description = description
    this.#options = this.#resolveOptions()
    this.#settings.onDescribed?.(description)
  }

  /** What the crash of a thread counts against. */
  protected chargedToOf(_session: ThreadSession): ChargedTo {
    return 'service'
  }

  /** A thread has ended that was not told to, or hangs. While it starts, that fails the start. */
  protected onThreadDeath(session: ThreadSession, reason: Error): void {
    if (session === this.session) this.crash(reason, this.chargedToOf(session))
  }
}

function toFileUrl(module: URL | string): string {
  return module instanceof URL ? module.href : module.startsWith('file:') ? module : pathToFileURL(module).href
}
