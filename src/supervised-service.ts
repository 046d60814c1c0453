/**
 * A registered service: its module, its desired state, its threads over one method queue, and their supervisor.
 * Everything a client does to a service goes through here.
 */
import { EventEmitter } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import { type ErrorFacts, ThreadplaneError } from './errors.ts'
import { type ResolvedServiceOptions, resolveServiceOptions, type ServiceOptions } from './options.ts'
import { ModuleContract } from './module-contract.ts'
import type { CrashKind, ServiceDescription } from './protocol.ts'
import { MethodQueue } from './service/method-queue.ts'
import { QueuedMethod } from './service/queued-method.ts'
import { QueueServiceThread } from './service/queue-service-thread.ts'
import type { ServiceLog } from './service/service.ts'
import type { LiveStack } from './service/service-thread.ts'
import { ServiceWorker } from './service/service-worker.ts'
import type { Supervisor } from './service/supervisor.ts'
import { uuidv7 } from './uuidv7.ts'
import { within } from './within.ts'

export type ServiceState = 'stopped' | 'starting' | 'running' | 'paused' | 'stopping' | 'crashed' | 'backoff' | 'failed'

export type DesiredState = 'running' | 'stopped'

export interface SupervisedServiceSettings {
  name: string
  /** As it was registered, relative to the workers folder. */
  module: string
  /** `file:` URL of it. */
  moduleUrl: string
  overrides: ServiceOptions
  desiredState: DesiredState
  /** If it is known from an earlier start. */
  description: ServiceDescription | undefined
  log: ServiceLog
  supervisorFor: (options: ResolvedServiceOptions) => Supervisor
  onDescribed: (description: ServiceDescription) => void
}

export interface CallRequest {
  payload: unknown
  /** The same as JSON text, which is what goes to the thread. */
  text: string
  /** Milliseconds from now. Default: the method's `timeoutMs`. */
  timeoutMs?: number | undefined
  traceparent?: string | undefined
}

/** How soon a client may try again at a service that is not running. */
const RETRY_AFTER_SECONDS = 5
/** How long a crash on purpose is waited for, to answer with what came of it. */
const CRASH_SEEN_WITHIN_MS = 1_000

export class SupervisedService extends EventEmitter<{ state: [ServiceState]; described: []; removed: [] }> {
  readonly name: string
  readonly module: string
  readonly overrides: ServiceOptions
  readonly methodQueue: MethodQueue
  readonly counts = { calls: 0, casts: 0, succeeded: 0, failed: 0, retried: 0 }
  desiredState: DesiredState
  readonly contract: ModuleContract
  threads: QueueServiceThread[] = []
  supervisor: Supervisor | undefined
  readonly #settings: SupervisedServiceSettings
  #options: ResolvedServiceOptions
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  /** The restart options its supervisor was made for. */
  #restart: ResolvedServiceOptions['restart'] | undefined
  #lastState: ServiceState = 'stopped'

  constructor(settings: SupervisedServiceSettings) {
    super()
    this.name = settings.name
    this.module = settings.module
    this.overrides = settings.overrides
    this.desiredState = settings.desiredState
    this.#settings = settings
    this.contract = new ModuleContract(settings, (description) => this.#onDescribed(description))
    this.#options = this.#resolveOptions()
    const { queueCapacity: capacity, queueBytes: maxBytes } = this.options
    this.methodQueue = new MethodQueue({ service: this.name, capacity, maxBytes })
  }

  /** The module's options under the overrides, with every default filled in. */
  get options(): ResolvedServiceOptions {
    return this.#options
  }

  #resolveOptions(): ResolvedServiceOptions {
    return resolveServiceOptions(this.contract.description?.options ?? {}, this.overrides)
  }

  get state(): ServiceState {
    if (this.#stopping !== undefined) return 'stopping'
    if (this.#starting !== undefined) return 'starting'
    const states = new Set(this.threads.map((thread) => (thread.crashed ? this.#recoveryOf(thread) : thread.state)))
    if (states.has('running')) return this.methodQueue.paused ? 'paused' : 'running'
    // A supervisor stops what it restarts.
    if (states.has('starting') || states.has('stopping')) return 'starting'
    for (const state of ['backoff', 'failed', 'crashed'] as const) if (states.has(state)) return state
    return 'stopped'
  }

  #recoveryOf(thread: QueueServiceThread): 'backoff' | 'failed' | 'crashed' {
    return this.supervisor?.recoveryOf(thread) ?? 'crashed'
  }

  get restartCount(): number {
    return this.threads.reduce((sum, thread) => sum + thread.restartCount, 0)
  }

  get crashReason(): Error | undefined {
    return this.threads.find((thread) => thread.crashReason !== undefined)?.crashReason
  }

  /** Methods its threads can run at once. */
  get concurrency(): number {
    const { threads, numWorkers } = this.options
    return threads * numWorkers
  }

  /** Methods that run now. */
  get running(): number {
    return this.threads.reduce((sum, thread) => sum + thread.running, 0)
  }

  /** Methods that wait: in the queue, or handed to a thread and not begun. */
  get waiting(): number {
    return this.threads.reduce((sum, thread) => sum + thread.prefetched, this.methodQueue.size)
  }

  /** Threads that were told to end and have not, as they are in native code. */
  get stuck(): number {
    return ServiceWorker.stuckOf(this.name)
  }

  /** What each of its threads is doing now. */
  async stacks(): Promise<LiveStack[]> {
    return (await Promise.all(this.threads.map((thread) => thread.stacks()))).flat()
  }

  /**
   * True if it started the service; false if that was done already.
   * @param onlyIfAutostart leave it stopped where its options say so, which its module may have to be asked for
   * @throws START_FAILED
   */
  async start({ onlyIfAutostart = false } = {}): Promise<boolean> {
    this.desiredState = 'running'
    await this.#stopping
    if (this.state === 'running' || this.state === 'paused') return false
    const joined = this.#starting
    this.#starting ??= this.#start(onlyIfAutostart).finally(() => {
      this.#starting = undefined
      this.#changed()
    })
    this.#changed()
    await this.#starting
    return joined === undefined
  }

  async #start(onlyIfAutostart: boolean): Promise<void> {
    this.methodQueue.open()
    this.supervisor?.budget.reset()
    for (const thread of this.threads) this.supervisor?.forget(thread)
    try {
      // Where that has failed before, there is a thread already, which describes the module as it starts.
      if (this.contract.description === undefined && this.threads.length === 0) {
        await this.contract.describe(this.options)
      }
      if (this.#stopping !== undefined) throw this.error('CONFLICT', `${this.name} was stopped while it started`)
      if (onlyIfAutostart && !this.options.autostart) {
        this.desiredState = 'stopped'
        return
      }
      this.#fitThreads()
      await Promise.all(this.threads.map((thread) => thread.maybeStart()))
    } catch (error) {
      if (this.#stopping !== undefined) throw this.error('CONFLICT', `${this.name} was stopped while it started`)
      // Where the module could not even be described, its first thread stands for the crash.
      if (this.threads.length === 0) {
        this.#fitThreads()
        this.threads[0]?.crash(error as Error)
      }
      throw this.error('START_FAILED', `${this.name} did not start: ${(error as Error).message}`, { cause: error })
    }
  }

  /** The module has described itself: for the first time, or otherwise than before. */
  #onDescribed(description: ServiceDescription): void {
    this.#options = this.#resolveOptions()
    const { queueCapacity: capacity, queueBytes: maxBytes, restart } = this.options
    this.methodQueue.limits = { capacity, maxBytes }
    // Where it could not be imported at first, it was supervised without its own word on that.
    if (!isDeepStrictEqual(restart, this.#restart)) this.#superviseAnew()
    this.#settings.onDescribed(description)
    this.emit('described')
  }

  /**
   * Resolves once the module has described itself. A stopped service takes casts, so for one it is asked to.
   * @throws SERVICE_NOT_RUNNING, DEADLINE_EXCEEDED
   */
  async whenDescribed(kind: QueuedMethod['kind'], timeoutMs: number): Promise<void> {
    if (this.contract.description !== undefined) return
    if (kind === 'cast' && (this.state === 'stopped' || this.state === 'stopping')) {
      this.contract.describe(this.options).catch((error: Error) => this.contract.forsake(error))
    } else if (!this.#mayRun()) throw this.#notRunning()
    await this.contract.whenKnown(timeoutMs)
  }

  #superviseAnew(): void {
    if (this.supervisor === undefined) return
    this.supervisor.discard(...this.threads)
    this.supervisor = undefined
    if (this.threads.length > 0 && this.#stopping === undefined) this.#supervise()
  }

  #supervise(): Supervisor {
    if (this.supervisor === undefined) {
      this.#restart = this.options.restart
      this.supervisor = this.#settings.supervisorFor(this.options)
    }
    for (const thread of this.threads) if (thread.supervisor === undefined) this.supervisor.add(thread)
    return this.supervisor
  }

  #fitThreads(): void {
    const { options } = this
    const supervisor = this.#supervise()
    while (this.threads.length < options.threads) {
      const thread = new QueueServiceThread({
        name: this.name,
        module: this.#settings.moduleUrl,
        options: this.overrides,
        description: this.contract.description,
        log: this.#settings.log,
        methodQueue: this.methodQueue,
        onDescribed: (description) => this.contract.learn(description),
      })
      thread.on('state', () => this.#changed())
      supervisor.add(thread)
      this.threads.push(thread)
    }
  }

  /**
   * Stops the service; what waits is run first, unless `drain` is false: then it is rejected. Casts that have not
   * begun go back to their store. True if there was something to stop.
   */
  async stop({ drain = true } = {}): Promise<boolean> {
    this.desiredState = 'stopped'
    if (this.state === 'stopped') {
      await this.contract.stopDescribing()
      return false
    }
    const joined = this.#stopping
    this.#stopping ??= this.#stop(drain).finally(() => {
      this.#stopping = undefined
      this.#changed()
    })
    this.#changed()
    await this.#stopping
    return joined === undefined
  }

  async #stop(drain: boolean): Promise<void> {
    const reject = (method: QueuedMethod) => method.error('SERVICE_NOT_RUNNING', `${this.name} was stopped`)
    const { shutdownTimeoutMs } = this.options
    // What crashes from now on stays down.
    this.supervisor?.discard(...this.threads)
    for (const thread of this.threads) thread.recall(['cast'])
    this.methodQueue.rejectAll(reject, ['cast'])
    void this.contract.stopDescribing()
    const serves = this.threads.some((thread) => thread.state === 'running') && !this.methodQueue.paused
    const until = performance.now() + shutdownTimeoutMs
    if (drain && serves) await within(this.#drained(), shutdownTimeoutMs)
    this.methodQueue.close(reject)
    const leftMs = Math.max(until - performance.now(), 1)
    await Promise.all(this.threads.map((thread) => thread.stop(leftMs)))
    this.methodQueue.paused = false
    // The start it interrupts ends with an error of its own.
    await this.#starting?.catch(() => {})
  }

  async #drained(): Promise<void> {
    await this.methodQueue.drained()
    await Promise.all(this.threads.map((thread) => thread.idle()))
  }

  async restart(): Promise<void> {
    await this.stop()
    for (const thread of this.threads) thread.restartCount += 1
    await this.start()
  }

  /** Nothing is dispatched until `resume`; casts are still accepted. True if that is new. @throws CONFLICT */
  pause(): boolean {
    if (this.state === 'paused') return false
    if (this.state !== 'running')
      throw this.error('CONFLICT', `${this.name} is ${this.state}: only a running service pauses`)
    this.methodQueue.paused = true
    for (const thread of this.threads) thread.recall()
    this.#changed()
    return true
  }

  /** @throws CONFLICT */
  resume(): boolean {
    if (this.state === 'running') return false
    if (this.state !== 'paused')
      throw this.error('CONFLICT', `${this.name} is ${this.state}: only a paused service resumes`)
    this.methodQueue.paused = false
    this.#changed()
    return true
  }

  /** Crashes its threads on purpose; resolves once that is seen, or after a second. @throws CONFLICT */
  async crash(kind: CrashKind, reason: string): Promise<void> {
    const alive = this.threads.filter((thread) => thread.state === 'running')
    if (alive.length === 0) throw this.error('CONFLICT', `${this.name} is ${this.state}: there is no thread to crash`)
    for (const thread of alive) thread.crashThread(kind, reason)
    if (kind === 'hang') return
    const seen = Promise.all(alive.map((thread) => new Promise((resolve) => thread.once('state', resolve))))
    await within(seen, CRASH_SEEN_WITHIN_MS)
  }

  /**
   * Queues a call. It settles with the result as JSON text.
   * @throws METHOD_NOT_FOUND, VALIDATION_FAILED, SERVICE_NOT_RUNNING, QUEUE_FULL
   */
  call(method: string, { payload, text, timeoutMs, traceparent }: CallRequest): QueuedMethod {
    const { options } = this.contract.method(method)
    if (!this.#mayRun()) throw this.#notRunning(method)
    this.contract.validate(method, payload)
    const queued = new QueuedMethod({
      service: this.name,
      method,
      payload: text,
      kind: 'call',
      format: 'json',
      job: { id: uuidv7(), attempt: 1, ...(traceparent !== undefined && { traceparent }) },
      bytes: text.length,
      priority: options.priority,
      timeoutMs: options.timeoutMs,
    })
    this.methodQueue.enqueue(queued)
    queued.expireAfter(timeoutMs ?? options.timeoutMs)
    this.counts.calls += 1
    queued.whenSettled((error) => {
      if (error === undefined) {
        this.counts.succeeded += 1
        return
      }
      this.counts.failed += 1
      this.#settings.log.debug({ err: error, service: this.name, method, jobId: queued.job.id }, 'a call failed')
    })
    return queued
  }

  /** Are methods run now, or as soon as the start or restart under way is through? */
  #mayRun(): boolean {
    const { state } = this
    return state === 'running' || state === 'starting' || state === 'backoff'
  }

  /** May casts be given to its queue now? */
  get takesCasts(): boolean {
    return this.state === 'running' && this.contract.description !== undefined
  }

  #notRunning(method?: string): ThreadplaneError {
    return this.error('SERVICE_NOT_RUNNING', `${this.name} is ${this.state}`, {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
      started: false,
      ...(method !== undefined && { method }),
    })
  }

  error(code: ThreadplaneError['code'], detail: string, facts: ErrorFacts = {}): ThreadplaneError {
    return new ThreadplaneError(code, detail, { service: this.name, ...facts })
  }

  /** A thread, the queue or an operation has changed state. */
  #changed(): void {
    const { state } = this
    // Its supervisor is about to decide, and says so by another change.
    if (state === 'crashed') return
    // More threads may be wanted than the first start knew of.
    if (state === 'running' && this.threads.length < this.options.threads) this.#growThreads()
    if (state === 'failed') {
      const why = this.crashReason?.message ?? 'unknown'
      this.methodQueue.rejectAll((method) =>
        method.error('SERVICE_NOT_RUNNING', `${this.name} has failed: ${why}`, {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        }),
      )
    }
    if (state === 'failed' || this.desiredState === 'stopped') this.contract.forsake(this.crashReason)
    if (state === this.#lastState) return
    this.#lastState = state
    this.emit('state', state)
  }

  #growThreads(): void {
    const known = this.threads.length
    this.#fitThreads()
    // A failed start is a crash of that thread, which its supervisor sees to.
    for (const thread of this.threads.slice(known)) thread.start().catch(() => {})
  }

  /** Leaves its supervisor; the service is forgotten. */
  dispose(): void {
    this.supervisor?.discard(...this.threads)
    this.emit('removed')
  }
}
