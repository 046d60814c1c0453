/**
 * A service that runs in a thread of its own, with its own event loop.
 * Source: mode/threads.py ServiceThread
 */
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import type { CrashKind } from '../contract/crash-kind.ts'
import type { ServiceDescription } from '../contract/description.ts'
import { isUnloadable, textOfUnloadable, ThreadplaneError } from '../contract/errors.ts'
import { type ResolvedServiceOptions, resolveServiceOptions, type RegistrationOptions } from '../contract/options.ts'
import type { ThreadMessage } from '../protocol/messages.ts'
import { Deferred } from '../async/deferred.ts'
import type { ChargedTo } from '../supervision/lifecycle.ts'
import { Service } from '../supervision/service.ts'
import type { ServiceThreadOptions } from './service-thread-options.ts'
import type { ThreadEndReason } from '../contract/events.ts'
import { ThreadReports } from './thread-reports.ts'
import { type LiveStack, LiveThreads, refuseIfStuck } from './live-threads.ts'
import { startLine } from './start-line.ts'
import { type LaunchOptions, ThreadSession, withinStartTimeout } from './thread-session.ts'
import { type ServiceWorkerClass, WORKERS } from './workers.ts'

export class ServiceThread extends Service {
  readonly module: string
  description: ServiceDescription | undefined
  /** Does `start()` wait until the thread has started? */
  readonly waitForThread: boolean
  /** Does `stop()` wait for the shutdown signal, which the end of the thread sets? See {@link setShutdown}. */
  readonly waitForShutdown: boolean
  readonly #settings: ServiceThreadOptions
  #overrides: RegistrationOptions
  #options: ResolvedServiceOptions
  /** `restartCount` when the last thread was started. */
  #restartsSeen = 0
  readonly #threads = new LiveThreads()
  readonly #reports: ThreadReports
  /** Resolves once all threads that were told to end have ended, or have been reported as stuck. */
  #ended: Promise<void> = Promise.resolve()
  /** Aborted when all threads are told to end: a start that waits for its turn leaves the line. */
  #ending = new AbortController()
  /** The shutdown signal; another one for each start. */
  #shutdown = new Deferred<void>()

  constructor(settings: ServiceThreadOptions) {
    super(settings)
    const { module, options = {}, description } = settings
    this.module = toFileUrl(module)
    this.description = description
    this.waitForThread = settings.waitForThread ?? true
    this.waitForShutdown = settings.waitForShutdown ?? true
    this.#overrides = options
    this.#options = this.#resolveOptions()
    this.#settings = settings
    this.#reports = new ThreadReports(settings.onThread)
  }

  /** The options of the module, overridden by those of the constructor, with every default filled in. */
  get options(): ResolvedServiceOptions {
    return this.#options
  }

  /** Replaces the options of the constructor. What a thread gets at its start takes effect at the next start. */
  set overrides(overrides: RegistrationOptions) {
    this.#overrides = overrides
    this.#options = this.#resolveOptions()
  }

  #resolveOptions(): ResolvedServiceOptions {
    return resolveServiceOptions(this.description?.options ?? {}, this.#overrides)
  }

  /** The class that owns the thread. Source: mode/threads.py ServiceThread.Worker */
  get Worker(): ServiceWorkerClass {
    return this.#settings.Worker ?? WORKERS[this.options.isolation]
  }

  /**
   * When the thread was last seen to be awake, in milliseconds since the epoch, by a monotonic clock; 0 without a
   * thread.
   */
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

  /** The current thread. */
  protected get session(): ThreadSession | undefined {
    return this.#threads.current
  }

  protected set session(session: ThreadSession | undefined) {
    this.#threads.current = session
  }

  /** Of a module that cannot be loaded, one line says all: the stack would show the loader alone. */
  override onCrash(message: string, error: Error): void {
    if (!isUnloadable(error)) return super.onCrash(message, error)
    const facts = { service: this.name, module: fileURLToPath(this.module) }
    this.logger.fatal(facts, textOfUnloadable(this.name, error))
  }

  override async start(): Promise<void> {
    const { done } = await this.begin()
    // If nobody waits, an error of the start is reported as a crash of the service.
    if (this.waitForThread) await done
  }

  /** Crashes the thread on purpose, from inside. */
  crashThread(kind: CrashKind, reason: string): void {
    this.session?.crash(kind, reason)
  }

  /**
   * Sets the signal for which `stop()` waits where `waitForShutdown` is set. The end of the thread sets it; a subclass may
   * set it earlier: the next start waits for that end. Source: mode/services.py Service.set_shutdown
   */
  setShutdown(): void {
    this.#shutdown.resolve()
  }

  /** Its threads that have not ended. */
  get sessions(): ThreadSession[] {
    return this.#threads.all
  }

  /** What each of them does now. */
  stacks(): Promise<LiveStack[]> {
    return this.#threads.stacks()
  }

  /** A thread has sent a message that is not about its start, its stop or its log. */
  protected onThreadMessage(_session: ThreadSession, _message: ThreadMessage): void {}

  protected override async launch(): Promise<void> {
    this.#shutdown = new Deferred()
    const session = await this.spawn()
    if (this.state !== 'starting') return session.terminate()
    this.session = session
  }

  protected override async shutDown(timeoutMs = this.options.shutdownTimeoutMs): Promise<void> {
    const { session } = this
    this.session = undefined
    this.#endThreads(session && this.stopSession(session, timeoutMs))
    // An error while the threads are ended rejects `stop()`.
    if (this.waitForShutdown) await Promise.race([this.#shutdown.promise, this.#ended])
  }

  protected override kill(reason: Error): void {
    const { session } = this
    this.session = undefined
    this.#endThreads(session && this.endSession(session, reason))
  }

  /** Also ends the threads that are being launched. Then sets the shutdown signal, unless it was started again. */
  #endThreads(ended: Promise<void> = Promise.resolve()): void {
    this.#ending.abort()
    this.#ending = new AbortController()
    const starting = this.#threads.starting.map((session) => this.#threads.terminate(session))
    const signal = this.#shutdown
    this.#ended = Promise.all([this.#ended, ended, ...starting]).then(() => {
      if (signal === this.#shutdown) this.setShutdown()
    })
  }

  /** The event loop of a thread has stopped turning (false), or turns again (true). */
  protected onResponsive(_session: ThreadSession, _responsive: boolean): void {}

  /** Stops a thread in good order. */
  protected stopSession(session: ThreadSession, timeoutMs: number): Promise<void> {
    return session.stop(timeoutMs)
  }

  /** Ends a thread at once. */
  protected endSession(session: ThreadSession, _reason: Error): Promise<void> {
    return session.terminate()
  }

  /** Launches a thread in its turn; one that fails to start is ended. */
  protected async spawn(): Promise<ThreadSession> {
    const { signal } = this.#ending
    // By then everything that the thread before held is free, a port perhaps.
    await this.#ended
    const endTurn = await startLine.turn(this.name, signal)
    const since = performance.now()
    try {
      const session = await this.#spawnInTurn(signal)
      this.#reports.started(session, performance.now() - since, () => this.endReasonOf(session))
      return session
    } catch (error) {
      if (!signal.aborted) this.#reports.failedToStart(error as Error)
      throw error
    } finally {
      endTurn()
    }
  }

  /** Why a thread ended in good order. */
  protected endReasonOf(_session: ThreadSession): ThreadEndReason {
    return 'stop'
  }

  /** The job that the death of a thread is charged to. */
  protected jobOf(_session: ThreadSession): string | undefined {
    return undefined
  }

  async #spawnInTurn(signal: AbortSignal): Promise<ThreadSession> {
    const since = performance.now()
    for (;;) {
      // Meanwhile all threads were told to end, and this one would have been among them.
      if (signal.aborted) throw new ThreadplaneError('CONFLICT', `${this.name} was stopped while it started`)
      refuseIfStuck(this.name)
      const session = this.#settings.takeDescribed?.() ?? this.#newSession()
      this.#own(session)
      const inTime = <T>(promise: Promise<T>) => {
        const elapsedMs = performance.now() - since
        return withinStartTimeout(session, promise, this.options.startTimeoutMs, `the start of ${this.name}`, elapsedMs)
      }
      try {
        this.#describe(await inTime(session.described))
        // The module asks for other launch options than its thread has: launch another thread.
        if (!isDeepStrictEqual(session.launchOptions, this.#launchOptions)) {
          await this.#threads.terminate(session)
          continue
        }
        await inTime(session.start(this.options, this.restartCount > this.#restartsSeen))
        this.#restartsSeen = this.restartCount
        return session
      } catch (error) {
        await this.#threads.terminate(session)
        throw error
      }
    }
  }

  get #launchOptions(): LaunchOptions {
    const { isolation, limits, env } = this.options
    return { isolation, limits, env }
  }

  #newSession(): ThreadSession {
    const { name: service, module, logger: log, Worker } = this
    return new ThreadSession({ service, module, ...this.#launchOptions, log, Worker })
  }

  #own(session: ThreadSession): void {
    session.owner = {
      onMessage: (message) => this.onThreadMessage(session, message),
      onDeath: (reason) => this.onThreadDeath(session, reason),
      onResponsive: (responsive, silentMs) => {
        this.#reports.responds(session, responsive, silentMs)
        this.onResponsive(session, responsive)
      },
      onStuck: () => this.#reports.stuck(session),
    }
    this.#threads.add(session)
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

  /** A thread has ended without being told to, or hangs. While it starts, that fails the start. */
  protected onThreadDeath(session: ThreadSession, reason: Error): void {
    this.#reports.died(session, reason, this.chargedToOf(session), this.jobOf(session))
    if (session === this.session) this.crash(reason, this.chargedToOf(session))
  }
}

function toFileUrl(module: URL | string): string {
  return module instanceof URL ? module.href : module.startsWith('file:') ? module : pathToFileURL(module).href
}
