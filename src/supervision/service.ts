/**
 * The life cycle that everything supervised shares: start, stop, crash, restart, and children that follow.
 * Source: mode/services.py Service
 */
import { EventEmitter } from 'node:events'
import type { ServiceLog } from '../contract/log.ts'
import { fromWireError, ThreadplaneError, toWireError } from '../contract/errors.ts'
import { Deferred } from '../async/deferred.ts'
import { stderrLog } from './stderr-log.ts'
import type { RestartBudget } from './restart-budget.ts'

type Lifecycle =
  | { kind: 'stopped' }
  | { kind: 'starting'; done: Promise<void> }
  | { kind: 'running' }
  | { kind: 'stopping'; done: Promise<void> }
  | { kind: 'crashed'; chargedTo: ChargedTo }

/** What a crash counts against: the restart budget of the service, or the one job under which it happened. */
export type ChargedTo = 'service' | 'job'

export type LifecycleState = Lifecycle['kind']

export interface ServiceOptionsBase {
  name: string
  /** Default: crashes, errors and warnings, on stderr. */
  log?: ServiceLog
}

/** What a service asks of the supervisor that it was added to: {@link Supervisor} implements it. */
export interface Supervision {
  readonly budget: RestartBudget
  /** What is being done about the crash of a member. */
  recoveryOf(member: Service): 'backoff' | 'failed' | undefined
  /** Called by a member that is started or stopped: nothing is done about its crash any more. */
  forget(member: Service): void
  /** Called by a member that crashed. */
  wakeup(): void
}

export class Service extends EventEmitter<{ state: [LifecycleState] }> {
  readonly name: string
  readonly log: ServiceLog
  readonly children: Service[] = []
  parent: Service | undefined
  /** Set by `Supervisor.add`. Without one, a crash reaches parents and root. */
  supervisor: Supervision | undefined
  restartCount = 0
  /** Why it crashed; kept until the next successful start. */
  crashReason: Error | undefined
  #lifecycle: Lifecycle = { kind: 'stopped' }

  constructor({ name, log = stderrLog }: ServiceOptionsBase) {
    super()
    this.name = name
    this.log = log
  }

  get state(): LifecycleState {
    return this.#lifecycle.kind
  }

  get started(): boolean {
    return this.state === 'starting' || this.state === 'running'
  }

  get crashed(): boolean {
    return this.state === 'crashed'
  }

  /** What its crash counts against. */
  get chargedTo(): ChargedTo {
    return this.#lifecycle.kind === 'crashed' ? this.#lifecycle.chargedTo : 'service'
  }

  /** Has it, or a parent whose start is its own, a supervisor that has not given up? */
  get awaitsRestart(): boolean {
    if (this.supervisor !== undefined) return this.supervisor.recoveryOf(this) !== 'failed'
    return this.parent?.awaitsRestart ?? false
  }

  // Hooks of subclasses; they run on the control thread.

  protected async onStart(): Promise<void> {}
  protected async onStarted(): Promise<void> {}
  protected async onStop(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
  protected async onRestart(): Promise<void> {}

  /** Begins what the service runs. */
  protected async launch(): Promise<void> {}
  /** Ends it in good order. */
  protected async shutDown(_timeoutMs?: number): Promise<void> {}
  /** Ends it now, because it crashed. */
  protected kill(_reason: Error): void {}

  /** Reports a crash where a person looks. Source: mode/threads.py ServiceThread.on_crash */
  protected onCrash(message: string, error: Error): void {
    // What fails again as before, with no good start between, is told again, but not with all its stack.
    if (this.crashReason?.message !== error.message) this.log.fatal({ err: error, service: this.name }, message)
    else this.log.error({ service: this.name }, `${message} again: ${error.message}`)
  }

  /**
   * Resolves once the service and its children are fully started; an error there rejects it.
   * While it stops, it is started after the stop.
   * @throws ALREADY_STARTED
   */
  async start(): Promise<void> {
    const { done } = await this.begin()
    await done
  }

  /** Begins the start, after the stop that is under way. */
  protected async begin(): Promise<{ done: Promise<void> }> {
    if (this.#lifecycle.kind === 'stopping') await this.#lifecycle.done
    if (this.started) throw new ThreadplaneError('ALREADY_STARTED', `${this.name} is started already`)
    // Given up, it is started by somebody's hand.
    if (this.supervisor?.recoveryOf(this) === 'failed') this.supervisor.budget.reset()
    this.supervisor?.forget(this)
    const { promise: done, resolve, reject } = new Deferred<void>()
    const starting: Lifecycle = { kind: 'starting', done }
    this.#enter(starting)
    this.#start(starting).then(resolve, reject)
    return { done }
  }

  async #start(starting: Lifecycle): Promise<void> {
    const superseded = () => this.#lifecycle !== starting
    try {
      await this.onStart()
      if (!superseded()) await this.launch()
      for (const child of this.children) if (!superseded()) await child.maybeStart()
      if (!superseded()) await this.onStarted()
    } catch (error) {
      const reason = error instanceof Error ? error : fromWireError(toWireError(error))
      if (!superseded()) this.crash(reason)
      if (this.crashed) throw reason
    }
    if (this.crashed) throw this.crashReason as Error
    if (superseded()) throw new ThreadplaneError('CONFLICT', `${this.name} was stopped while it started`)
    this.crashReason = undefined
    this.supervisor?.budget.started()
    this.#enter({ kind: 'running' })
  }

  /** True if it started the service, false if it was started: then it waits until that start is through. */
  async maybeStart(): Promise<boolean> {
    if (this.#lifecycle.kind === 'stopping') await this.#lifecycle.done
    if (this.#lifecycle.kind === 'starting') await this.#lifecycle.done
    if (this.#lifecycle.kind === 'running') return false
    await this.start()
    return true
  }

  /**
   * Stops the service, then its children in reverse order. Does nothing where there is nothing to stop.
   * @param timeoutMs bound of its own shutdown; default: what its options say
   */
  async stop(timeoutMs?: number): Promise<void> {
    this.supervisor?.forget(this)
    const { kind } = this.#lifecycle
    if (kind === 'stopped') return
    if (kind === 'stopping') return this.#lifecycle.done
    const { promise: done, resolve, reject } = new Deferred<void>()
    this.#enter({ kind: 'stopping', done })
    this.#stop(timeoutMs).then(resolve, reject)
    await done
  }

  /** An error in a hook ends nothing early: nothing that runs is left behind. */
  async #stop(timeoutMs: number | undefined): Promise<void> {
    try {
      try {
        await this.onStop()
      } finally {
        await this.shutDown(timeoutMs)
        for (const child of [...this.children].reverse()) await this.#stopChild(child)
      }
      await this.onShutdown()
    } finally {
      this.#enter({ kind: 'stopped' })
    }
  }

  async #stopChild(child: Service): Promise<void> {
    try {
      await child.stop()
    } catch (error) {
      this.log.error({ err: error, service: child.name }, 'error while stopping a child')
    }
  }

  /** Stop, reset, `onRestart`, start. */
  async restart(): Promise<void> {
    await this.stop()
    this.#countRestart()
    await this.onRestart()
    await this.start()
  }

  #countRestart(): void {
    this.restartCount += 1
    for (const child of this.children) child.#countRestart()
  }

  /**
   * Marks the service and all its children crashed. With a supervisor it wakes that; without one the crash reaches
   * parents, their children, and root. What is stopping ends anyway, and nobody is to start it again.
   * Source: mode/services.py Service.crash
   */
  crash(reason: Error, chargedTo: ChargedTo = 'service'): void {
    if (this.crashed) return
    this.onCrash(`${this.name} crashed`, reason)
    if (this.state === 'stopping') this.kill(reason)
    let reached: Service | undefined = this
    while (reached !== undefined && reached.state !== 'stopping') {
      reached.#markCrashed(reason, chargedTo)
      if (reached.supervisor !== undefined) {
        reached.supervisor.wakeup()
        return
      }
      reached = reached.parent
    }
  }

  #markCrashed(reason: Error, chargedTo: ChargedTo): void {
    if (!this.crashed && this.state !== 'stopping') {
      this.crashReason = reason
      this.#enter({ kind: 'crashed', chargedTo })
      this.kill(reason)
    }
    for (const child of this.children) child.#markCrashed(reason, chargedTo)
  }

  /** Started and stopped with this service. */
  addDependency<Child extends Service>(child: Child): Child {
    child.parent = this
    this.children.push(child)
    return child
  }

  /** As {@link addDependency}, and started now if this service is. */
  async addRuntimeDependency<Child extends Service>(child: Child): Promise<Child> {
    this.addDependency(child)
    if (this.started) await child.maybeStart()
    return child
  }

  /** Stops a child and forgets it. */
  async removeDependency(child: Service): Promise<void> {
    await child.stop()
    const index = this.children.indexOf(child)
    if (index >= 0) this.children.splice(index, 1)
    child.parent = undefined
  }

  #enter(lifecycle: Lifecycle): void {
    this.#lifecycle = lifecycle
    this.emit('state', lifecycle.kind)
  }

  /** Told by the supervisor that it does something else about a crash; children share what becomes of their parent. */
  announceRecovery(): void {
    this.emit('state', this.state)
    for (const child of this.children) child.announceRecovery()
  }
}
