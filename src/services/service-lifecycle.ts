/**
 * Starting and stopping a registered service. Operations that meet are not queued: a stop gives up whatever is being
 * started or replaced, a start follows the stop under way, and what is asked for twice is done once.
 */
import { EventEmitter } from 'node:events'
import type { ServiceDescription } from '../contract/description.ts'
import type { ServiceLog } from '../contract/log.ts'
import { Deferred } from '../async/deferred.ts'
import { type ErrorFacts, ThreadplaneError } from '../contract/errors.ts'
import type { ResolvedServiceOptions, ServiceOptions } from '../contract/options.ts'
import { ModuleContract } from './module-contract.ts'
import type { RestartGroups } from '../supervision/restart-groups.ts'
import { MethodQueue } from '../queue/method-queue.ts'
import type { QueuedMethod } from '../queue/queued-method.ts'
import type { QueueServiceThread } from '../threads/queue-service-thread.ts'
import type { Supervisor } from '../supervision/supervisor.ts'
import { optionsOf, ThreadSet, type Version } from './thread-set.ts'
import { unlessAborted, within } from '../async/deadline.ts'

export type ServiceState = 'stopped' | 'starting' | 'running' | 'paused' | 'stopping' | 'crashed' | 'backoff' | 'failed'

export type DesiredState = 'running' | 'stopped'

/** What a service is registered with. */
export interface ServiceRegistration {
  /** Relative to the workers folder. */
  module: string
  /** `file:` URL of it. */
  moduleUrl: string
  overrides: ServiceOptions
  /** If it is known already; asked for otherwise. */
  description: ServiceDescription | undefined
}

export interface ServiceSettings extends ServiceRegistration {
  name: string
  desiredState: DesiredState
  log: ServiceLog
  groups: RestartGroups
  /** Refuses what the service would depend on. */
  checkDependencies: (dependsOn: string[]) => void
  /** Resolves once all that the service depends on runs. */
  startDependencies: (options: ResolvedServiceOptions) => Promise<void>
  onDescribed: (moduleUrl: string, description: ServiceDescription) => void
}

/** States that do not pass by themselves. */
const SETTLED: ReadonlySet<ServiceState> = new Set<ServiceState>(['running', 'paused', 'failed'])
/** How soon a client may try again at a service that is not running. */
export const RETRY_AFTER_SECONDS = 5

interface Starting {
  /** Whoever joins a start may want more than that. */
  onlyIfAutostart: boolean
  /** False where it was left stopped. */
  done: Promise<boolean>
}

export abstract class ServiceLifecycle extends EventEmitter<{ state: [ServiceState]; changed: [] }> {
  readonly name: string
  readonly methodQueue: MethodQueue
  desiredState: DesiredState
  protected readonly settings: ServiceSettings
  protected readonly threadSet: ThreadSet
  #options: ResolvedServiceOptions
  #starting: Starting | undefined
  #stopping: { done: Promise<void>; draining: boolean } | undefined
  #stopped = new AbortController()
  /** What kept it from starting any thread. */
  #startError: Error | undefined
  /** Why it is not to be started any more. */
  #refusal: (() => ThreadplaneError) | undefined
  #lastState: ServiceState = 'stopped'

  constructor(settings: ServiceSettings) {
    super()
    // Whoever depends on it may wait for it.
    this.setMaxListeners(0)
    this.name = settings.name
    this.desiredState = settings.desiredState
    this.settings = settings
    const version = this.versionOf(settings)
    this.#options = optionsOf(version)
    const { queueCapacity: capacity, queueBytes: maxBytes } = this.#options
    this.methodQueue = new MethodQueue({ service: this.name, capacity, maxBytes })
    this.threadSet = new ThreadSet(version, {
      service: this.name,
      queue: this.methodQueue,
      log: settings.log,
      groups: settings.groups,
      options: () => this.#options,
      onChange: () => this.changed(),
    })
  }

  protected versionOf({ module, moduleUrl, overrides, description }: ServiceRegistration): Version {
    const { log, onDescribed } = this.settings
    const contract = new ModuleContract({ name: this.name, moduleUrl, description, log }, (learned) => {
      onDescribed(moduleUrl, learned)
      if (contract === this.contract) this.#onDescribed()
    })
    return { module, moduleUrl, overrides, contract }
  }

  get module(): string {
    return this.threadSet.version.module
  }

  get overrides(): ServiceOptions {
    return this.threadSet.version.overrides
  }

  get contract(): ModuleContract {
    return this.threadSet.version.contract
  }

  /** The module's options under the overrides, with every default filled in. */
  get options(): ResolvedServiceOptions {
    return this.#options
  }

  /** All there are, also those that come and go while code is replaced. */
  get threads(): QueueServiceThread[] {
    return this.threadSet.all
  }

  get supervisor(): Supervisor | undefined {
    return this.threadSet.supervisor
  }

  get state(): ServiceState {
    if (this.#stopping !== undefined) return 'stopping'
    if (this.#starting !== undefined) return 'starting'
    const { state } = this.threadSet
    if (state === 'running' && this.methodQueue.paused) return 'paused'
    return state === 'stopped' && this.#startError !== undefined ? 'failed' : state
  }

  /** Fired by a stop: whatever is being started or replaced is given up. */
  protected get stopSignal(): AbortSignal {
    return this.#stopped.signal
  }

  /** Resolves once the stop under way is through. */
  protected async whenStopped(): Promise<void> {
    await this.#stopping?.done
  }

  /** Is it stopping, and runs what is queued before that? */
  get draining(): boolean {
    return this.#stopping?.draining ?? false
  }

  get crashReason(): Error | undefined {
    return this.#startError ?? this.threadSet.crashReason
  }

  /**
   * True if it started the service; false if that was done already.
   * @param onlyIfAutostart leave it stopped where its options say so, which its module may have to be asked for
   * @throws START_FAILED, CONFLICT
   */
  async start({ onlyIfAutostart = false } = {}): Promise<boolean> {
    this.#assertMayStart()
    this.desiredState = 'running'
    await this.#stopping?.done
    this.#assertMayStart()
    if (this.state === 'running' || this.state === 'paused') return false
    const joined = this.#starting
    if (joined !== undefined && !onlyIfAutostart) joined.onlyIfAutostart = false
    const starting = joined ?? this.#begin(onlyIfAutostart)
    // Where it was left stopped before somebody wanted more than that, it is started now.
    if (!(await starting.done) && !onlyIfAutostart) return this.start()
    return joined === undefined
  }

  #begin(onlyIfAutostart: boolean): Starting {
    const starting: Starting = { onlyIfAutostart, done: Promise.resolve(true) }
    this.#starting = starting
    starting.done = this.#start(starting).finally(() => {
      this.#starting = undefined
      this.changed()
    })
    this.changed()
    return starting
  }

  async #start(starting: Starting): Promise<boolean> {
    const { contract } = this
    const stop = this.stopSignal
    this.#startError = undefined
    this.methodQueue.open()
    try {
      // Where that has failed before, there is a thread already, which describes the module as it starts.
      if (contract.description === undefined && this.threadSet.current.length === 0) await this.#describe(contract)
      if (!stop.aborted && starting.onlyIfAutostart && !this.options.autostart) {
        this.desiredState = 'stopped'
        return false
      }
      await this.startDependencies(this.options, stop)
      stop.throwIfAborted()
      await this.threadSet.start()
      return true
    } catch (error) {
      if (stop.aborted) throw this.error('CONFLICT', `${this.name} was stopped while it started`)
      // Another version has taken over, which has started.
      if (contract !== this.contract) return true
      throw this.error('START_FAILED', `${this.name} did not start: ${(error as Error).message}`, { cause: error })
    } finally {
      await contract.endDescribed()
    }
  }

  /** Where the module cannot even be described, its first thread stands for the crash. */
  async #describe(contract: ModuleContract): Promise<void> {
    try {
      await contract.describe(this.options, { keepThread: true })
    } catch (error) {
      if (contract === this.contract && this.#stopping === undefined) {
        this.threadSet.fit()
        this.threadSet.current[0]?.crash(error as Error)
      }
      throw error
    }
  }

  /** @throws START_FAILED that names what does not run */
  protected async startDependencies(options: ResolvedServiceOptions, stop: AbortSignal): Promise<void> {
    try {
      await unlessAborted(this.settings.startDependencies(options), stop)
    } catch (error) {
      if (!stop.aborted && this.threadSet.current.every(({ state }) => state === 'stopped')) {
        this.#startError = error as Error
        this.settings.log.error({ err: error, service: this.name }, 'not started')
      }
      throw error
    }
  }

  /** From now on it is another version that counts, or other options. */
  protected tookUp(before: ModuleContract): void {
    if (before !== this.contract) {
      before.supersededBy(this.contract)
      this.#startError = undefined
    }
    this.#onDescribed()
    this.changed()
  }

  /** The module has described itself, otherwise than before, or its options were changed. */
  #onDescribed(): void {
    this.#options = optionsOf(this.threadSet.version)
    const { queueCapacity: capacity, queueBytes: maxBytes } = this.#options
    this.methodQueue.limits = { capacity, maxBytes }
    if (this.supervisor !== undefined) this.threadSet.supervise()
    if (this.contract.description !== undefined) this.emit('changed')
  }

  /**
   * Resolves once it runs, which it is started for; where its supervisor has to try again, after that.
   * @throws what kept it from running
   */
  async whenRunning(timeoutMs: number): Promise<void> {
    const settled = new Deferred<void>()
    const look = () => {
      const { state } = this
      // On the way through a restart it is stopped for a moment.
      if (SETTLED.has(state) || this.desiredState === 'stopped') settled.resolve()
    }
    this.on('state', look)
    try {
      const started = this.start().then(look, look)
      if (!(await within(Promise.all([started, settled.promise]), timeoutMs))) {
        throw this.error('DEADLINE_EXCEEDED', `it is still ${this.state} after ${timeoutMs} ms`)
      }
    } finally {
      this.off('state', look)
    }
    if (this.state !== 'running' && this.state !== 'paused') {
      throw this.crashReason ?? this.error('SERVICE_NOT_RUNNING', `it is ${this.state}`)
    }
  }

  /**
   * Stops the service; what waits is run first, unless `drain` is false: then it is rejected. Casts that have not
   * begun go back to their store. True if there was something to stop.
   */
  async stop({ drain = true } = {}): Promise<boolean> {
    this.desiredState = 'stopped'
    this.#stopped.abort()
    this.#stopped = new AbortController()
    if (this.state === 'stopped') {
      await this.contract.stopDescribing()
      return false
    }
    const joined = this.#stopping
    if (joined !== undefined) {
      if (!drain) this.methodQueue.close(this.#wasStopped)
      await joined.done
      return false
    }
    const stopping = { done: Promise.resolve(), draining: false }
    this.#stopping = stopping
    stopping.done = this.#stop(stopping, drain).finally(() => {
      this.#stopping = undefined
      this.changed()
    })
    this.changed()
    await stopping.done
    return true
  }

  readonly #wasStopped = (method: QueuedMethod) => method.error('SERVICE_NOT_RUNNING', `${this.name} was stopped`)

  async #stop(stopping: { draining: boolean }, drain: boolean): Promise<void> {
    const { shutdownTimeoutMs } = this.options
    const { current } = this.threadSet
    this.#startError = undefined
    this.threadSet.unsupervise()
    this.threadSet.interrupt()
    for (const thread of current) thread.recall(['cast'])
    this.methodQueue.rejectAll(this.#wasStopped, ['cast'])
    void this.contract.stopDescribing()
    const serves = current.some((thread) => thread.state === 'running') && !this.methodQueue.paused
    const until = performance.now() + shutdownTimeoutMs
    stopping.draining = drain && serves
    if (stopping.draining) await within(this.#drained(), shutdownTimeoutMs)
    stopping.draining = false
    this.methodQueue.close(this.#wasStopped)
    await this.threadSet.stop(Math.max(until - performance.now(), 1))
    this.methodQueue.paused = false
    // The start it interrupts ends with an error of its own.
    await this.#starting?.done.catch(() => {})
  }

  async #drained(): Promise<void> {
    await this.methodQueue.drained()
    await this.threadSet.idle()
  }

  async restart(): Promise<void> {
    await this.stop()
    this.threadSet.countRestart()
    await this.start()
  }

  /** It is to be stopped for good: also a start that waits for that stop is refused. */
  refuseStarts(why: () => ThreadplaneError): void {
    this.#refusal = why
  }

  #assertMayStart(): void {
    if (this.#refusal !== undefined) throw this.#refusal()
  }

  error(code: ThreadplaneError['code'], detail: string, facts: ErrorFacts = {}): ThreadplaneError {
    return new ThreadplaneError(code, detail, { service: this.name, ...facts })
  }

  /** A thread, the queue or an operation has changed state. */
  protected changed(): void {
    const { state } = this
    // Its supervisor is about to decide, and says so by another change.
    if (state === 'crashed') return
    // The first start did not know yet how many are wanted. A failed start is a crash of that thread, which its
    // supervisor sees to.
    const serves = state === 'running' || state === 'paused'
    if (serves && this.threadSet.current.length !== this.options.threads) {
      for (const thread of this.threadSet.fit()) thread.start().catch(() => {})
    }
    if (state === 'failed') {
      const why = this.crashReason?.message ?? 'unknown'
      this.methodQueue.rejectAll((method) =>
        method.error('SERVICE_NOT_RUNNING', `${this.name} has failed: ${why}`, {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        }),
      )
    }
    if (state === 'failed' || this.desiredState === 'stopped') this.contract.rejectWaiters(this.crashReason)
    if (state === this.#lastState) return
    this.#lastState = state
    this.emit('state', state)
    this.emit('changed')
  }
}
