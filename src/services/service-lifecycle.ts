/**
 * The life of a registered service: what starts, stops and restarts it, and the phases (phase.ts) that follow.
 * Operations that meet do not queue. A stop ends whatever is being started or replaced, except a replacement whose
 * registration is being written: the stop waits for that one. A start waits for the stop under way. What is asked for
 * twice is done once. A person's last wish wins: `desiredState`.
 */
import type { DesiredState, ServiceState } from '../contract/states.ts'
import { EventEmitter } from 'node:events'
import { Deferred } from '../async/deferred.ts'
import { type ErrorFacts, RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import type { ServiceStateFacts } from '../contract/events.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import { MethodQueue } from '../queue/method-queue.ts'
import { ModuleContract } from './module-contract.ts'
import { livePhase, type Phase, type Starting, stateOf, type Stopping } from './phase.ts'
import { PhaseMachine } from './phase-machine.ts'
import type { ServiceParts } from './service-parts.ts'
import type { ServiceSettings } from './service-settings.ts'
import { runStart, stoppedMeanwhile } from './starting.ts'
import { runStop, wasStopped } from './stopping.ts'
import { ThreadSet } from './thread-set.ts'
import { optionsOf, type ServiceRegistration, type Version } from './version.ts'

/** The token that asked for an operation. */
interface Asked {
  by?: string | undefined
}

interface Stop extends Asked {
  /** False: methods that wait are rejected instead of run. */
  drain?: boolean
}

export abstract class ServiceLifecycle
  extends EventEmitter<{ state: [ServiceState]; changed: [] }>
  implements ServiceParts
{
  readonly name: string
  readonly methodQueue: MethodQueue
  readonly threadSet: ThreadSet
  readonly settings: ServiceSettings
  readonly phases: PhaseMachine
  desiredState: DesiredState
  #options: ResolvedServiceOptions
  /** Aborted by each stop, and then made anew. */
  #stopped = new AbortController()
  #lastState: ServiceState = 'stopped'

  constructor(settings: ServiceSettings) {
    super()
    // Every service that depends on this one may listen.
    this.setMaxListeners(0)
    this.name = settings.name
    this.desiredState = settings.desiredState
    this.settings = settings
    this.phases = new PhaseMachine({ service: this.name, log: settings.log, onEntered: (by) => this.announce(by) })
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
      onChange: () => this.followThreads(),
      onThread: (index, { id, ...event }) => {
        if (event.type === 'thread.crashed') settings.meter.crashes.add(event.cause)
        settings.events.emit({ ...event, service: this.name, thread: { index, id } })
      },
    })
  }

  versionOf({ module, moduleUrl, declared, overrides, hash, description, refusal }: ServiceRegistration): Version {
    const { log, onDescribed } = this.settings
    const contract = new ModuleContract({ name: this.name, moduleUrl, description, refusal, log }, (learned) => {
      onDescribed(moduleUrl, learned)
      if (contract === this.contract) this.#applyOptions()
    })
    return { module, moduleUrl, declared, overrides, hash, contract }
  }

  get contract(): ModuleContract {
    return this.threadSet.version.contract
  }

  /** Is it to run on this server? Its module may have to be asked for its options. */
  get isPlacedHere(): boolean {
    return this.settings.runsHere(this.#options)
  }

  /** The options of the registration over those of the module, with every default filled in. */
  get options(): ResolvedServiceOptions {
    return this.#options
  }

  get state(): ServiceState {
    return stateOf(this.phases.phase, this.methodQueue.paused)
  }

  get crashReason(): Error | undefined {
    const { live } = this.phases
    return live?.kind === 'failed' && live.reason !== undefined ? live.reason : this.threadSet.crashReason
  }

  /** Aborted by the next stop: what is being started or replaced ends then. */
  get stopSignal(): AbortSignal {
    return this.#stopped.signal
  }

  error(code: ThreadplaneError['code'], detail: string, facts: ErrorFacts = {}): ThreadplaneError {
    return new ThreadplaneError(code, detail, { service: this.name, ...facts })
  }

  /** A thread has changed its state, or its supervisor does something else about its crash: the phase follows. */
  followThreads(): void {
    const { live } = this.phases
    if (live !== undefined && live.kind !== 'starting') {
      const next = livePhase(live, this.threadSet.health)
      if (next !== live) this.phases.enterLive(next)
      if (next.kind === 'serving') this.#startMissing()
    }
    this.announce()
  }

  /** The first start did not know how many threads the module asks for. A thread that does not start is a crash. */
  #startMissing(): void {
    if (this.threadSet.current.length === this.#options.threads) return
    for (const thread of this.threadSet.fit()) thread.start().catch(() => {})
  }

  /**
   * Rejects calls that wait for a service that has failed, and emits the state if it is another one.
   * @param by the token that asked for the change
   */
  announce(by?: string): void {
    const { state } = this
    if (state === 'failed') {
      const why = this.crashReason?.message ?? 'unknown'
      this.methodQueue.rejectAll((method) =>
        method.error('SERVICE_NOT_RUNNING', `${this.name} has failed: ${why}`, {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        }),
      )
    }
    if (state === 'failed' || state === 'stopped' || state === 'stopping') this.contract.rejectWaiters(this.crashReason)
    if (state === this.#lastState) return
    const from = this.#lastState
    this.#lastState = state
    this.settings.events.emit({ type: 'service.state', service: this.name, from, ...this.facts(), by: by ?? null })
    this.emit('state', state)
    this.emit('changed')
  }

  /** What an event says of its state. */
  protected abstract facts(): Omit<ServiceStateFacts, 'from'>

  /** The module has described itself, or its options were changed. */
  #applyOptions(): void {
    this.#options = optionsOf(this.threadSet.version)
    const { queueCapacity: capacity, queueBytes: maxBytes } = this.#options
    this.methodQueue.limits = { capacity, maxBytes }
    if (this.threadSet.supervisor !== undefined) this.threadSet.supervise()
    if (this.contract.description !== undefined) this.emit('changed')
  }

  /** Threads of another version serve now, perhaps in place of threads that were still starting. */
  tookOver(before: ModuleContract): void {
    const { live } = this.phases
    if (live?.kind === 'starting' && before !== this.contract) {
      this.phases.enterLive(livePhase(live, this.threadSet.health))
    }
    this.tookEffect(before)
  }

  /** A new version or new options took effect. */
  tookEffect(before: ModuleContract): void {
    if (before !== this.contract) before.supersededBy(this.contract)
    this.#applyOptions()
    this.followThreads()
  }

  /**
   * True if it started the service; false if that was done already, or is for another server to do.
   * @param onlyIfAutostart leave it stopped where its options say so; its module may have to be asked for them
   * @param by the token that asked for it
   * @throws START_FAILED, CONFLICT, SHUTTING_DOWN, SERVICE_NOT_FOUND
   */
  async start({ onlyIfAutostart = false, by }: { onlyIfAutostart?: boolean } & Asked = {}): Promise<boolean> {
    this.#checkMayStart()
    this.desiredState = 'running'
    return this.#start(onlyIfAutostart, by)
  }

  async #start(onlyIfAutostart: boolean, by: string | undefined): Promise<boolean> {
    // Without a stop under way nothing is awaited before the phase changes: a start that leaves the service stopped, and
    // notes that as its desired state, must not come in between.
    if (this.phases.phase.kind === 'stopping') await this.whenStopped()
    this.#checkMayStart()
    if (this.desiredState === 'stopped') throw stoppedMeanwhile(this)
    const { live } = this.phases
    if (!this.isPlacedHere || live?.kind === 'serving') return false
    // A supervisor's start is joined too: the answer says that nothing changed.
    const joins = this.state === 'starting'
    const starting = live?.kind === 'starting' ? live : this.#beginStart(onlyIfAutostart, by)
    if (!onlyIfAutostart) starting.onlyIfAutostart = false
    // The start that was joined may have left the service stopped before this caller wanted more than that.
    if (!(await starting.operation) && !onlyIfAutostart && this.isPlacedHere) return this.start({ by })
    return !joins
  }

  #checkMayStart(): void {
    const { phase } = this.phases
    if (phase.kind === 'removed' || (phase.kind === 'stopping' && phase.next === 'removed')) {
      throw this.error('SERVICE_NOT_FOUND', `${this.name} was deleted`)
    }
    const refusal = this.settings.startRefusal()
    if (refusal !== undefined) throw refusal
  }

  #beginStart(onlyIfAutostart: boolean, by: string | undefined): Starting {
    const { promise: operation, resolve, reject } = new Deferred<boolean>()
    const starting: Starting = { kind: 'starting', onlyIfAutostart, operation, by }
    this.methodQueue.open()
    this.phases.enterLive(starting)
    runStart(this, starting).then(resolve, reject)
    return starting
  }

  /**
   * Stops the service, because a person wants that. Methods that wait are run first, unless `drain` is false: then they
   * are rejected. Casts that have not begun go back to their store. True if there was something to stop.
   */
  async stop(how: Stop = {}): Promise<boolean> {
    this.desiredState = 'stopped'
    return this.halt(how)
  }

  /** As {@link stop}, but the desired state stays as it is: for a restart, and for the end of the server. */
  async halt({ drain = true, by }: Stop = {}): Promise<boolean> {
    const { phase } = this.phases
    this.#stopped.abort()
    this.#stopped = new AbortController()
    switch (phase.kind) {
      case 'removed':
        return false
      case 'stopped':
        await this.contract.stopDescribing()
        return false
      case 'stopping':
        if (!drain) this.methodQueue.close(wasStopped)
        await phase.operation
        return false
      default:
        await this.#beginStop(phase, drain, by).operation
        return true
    }
  }

  /** Resolves once the stop under way has ended. */
  async whenStopped(): Promise<void> {
    const { phase } = this.phases
    if (phase.kind === 'stopping') await phase.operation
  }

  #beginStop(from: Phase, drain: boolean, by: string | undefined): Stopping {
    const { promise: operation, resolve, reject } = new Deferred<void>()
    const stopping: Stopping = { kind: 'stopping', operation, draining: false, next: 'stopped', by }
    this.phases.enter(stopping)
    runStop(this, stopping, from, drain).then(resolve, reject)
    return stopping
  }

  /** @throws START_FAILED, CONFLICT if it is stopped meanwhile, SHUTTING_DOWN, SERVICE_NOT_FOUND */
  async restart(by?: string): Promise<void> {
    this.#checkMayStart()
    this.desiredState = 'running'
    await this.halt({ by })
    if (this.isPlacedHere) this.threadSet.countRestart()
    await this.#start(false, by)
  }

  /** Resolves once the threads of earlier versions have finished what they had begun, or after `shutdownTimeoutMs`. */
  async settled(): Promise<void> {
    await this.threadSet.left(this.options.shutdownTimeoutMs)
  }

  /** Stops the service for good. A start that waits for this stop is refused. */
  async remove(by?: string): Promise<void> {
    this.desiredState = 'stopped'
    const { phases } = this
    if (phases.phase.kind === 'stopped') phases.enter({ kind: 'removed' })
    const halted = this.halt({ by })
    if (phases.phase.kind === 'stopping') phases.phase.next = 'removed'
    await halted
    await this.contract.stopDescribing()
    this.threadSet.unsupervise()
  }
}
