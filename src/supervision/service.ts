/**
 * The life cycle of everything that can be supervised: start, stop, crash, restart, and children that start and stop
 * with it.
 * Source: mode/services.py Service
 */
import { EventEmitter } from 'node:events'
import type { ServiceLog } from '../contract/log.ts'
import { fromWireError, ThreadplaneError, toWireError } from '../contract/errors.ts'
import { Deferred } from '../async/deferred.ts'
import type { ChargedTo, Lifecycle, LifecycleState, Supervision } from './lifecycle.ts'
import { stderrLog } from './stderr-log.ts'

export type { LifecycleState } from './lifecycle.ts'

export interface ServiceOptionsBase {
  name: string
  /** Readable as `logger`. Default: crashes, errors and warnings go to stderr. */
  log?: ServiceLog
}

export class Service extends EventEmitter<{ state: [LifecycleState] }> {
  readonly name: string
  /** Source: mode/services.py Service.logger */
  readonly logger: ServiceLog
  readonly children: Service[] = []
  parent: Service | undefined
  /** Set by `Supervisor.add`. Without a supervisor, a crash reaches all parents up to the root. */
  supervisor: Supervision | undefined
  restartCount = 0
  /** Why the service crashed; kept until the next successful start. */
  crashReason: Error | undefined
  #lifecycle: Lifecycle = { kind: 'stopped' }

  constructor({ name, log = stderrLog }: ServiceOptionsBase) {
    super()
    this.name = name
    this.logger = log
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

  /** What the crash of the service counts against. */
  get chargedTo(): ChargedTo {
    return this.#lifecycle.kind === 'crashed' ? this.#lifecycle.chargedTo : 'service'
  }

  /** Will a supervisor restart the service: its own, or that of a parent, which restarts its children too? */
  get awaitsRestart(): boolean {
    if (this.supervisor !== undefined) return this.supervisor.recoveryOf(this) !== 'failed'
    return this.parent?.awaitsRestart ?? false
  }

  // Hooks for subclasses. They run on the control thread, also those of a ServiceThread.

  protected async onStart(): Promise<void> {}
  protected async onStarted(): Promise<void> {}
  protected async onStop(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
  protected async onRestart(): Promise<void> {}

  /** Launches whatever the service runs: a thread, the members of a supervisor. */
  protected async launch(): Promise<void> {}
  /** Ends in good order whatever the service runs. */
  protected async shutDown(_timeoutMs?: number): Promise<void> {}
  /** Ends at once whatever the service runs, because the service crashed. */
  protected kill(_reason: Error): void {}

  /** Reports a crash in the log, at `fatal`. Source: mode/threads.py ServiceThread.on_crash */
  onCrash(message: string, error: Error): void {
    // The same crash again, without a successful start in between, is reported without its stack.
    if (this.crashReason?.message !== error.message) this.logger.fatal({ err: error, service: this.name }, message)
    else this.logger.error({ service: this.name }, `${message} again: ${error.message}`)
  }

  /**
   * Resolves once the service and its children are fully started; an error of the start rejects it. A service that is
   * stopping is started after the stop.
   * @throws ALREADY_STARTED
   */
  async start(): Promise<void> {
    const { done } = await this.begin()
    await done
  }

  /** Begins the start, after a stop that is under way. `done` settles with the start. */
  protected async begin(): Promise<{ done: Promise<void> }> {
    if (this.#lifecycle.kind === 'stopping') await this.#lifecycle.done
    if (this.started) throw new ThreadplaneError('ALREADY_STARTED', `${this.name} is started already`)
    // The supervisor has given the service up, so a person starts it: with a fresh budget.
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

  /**
   * True if this call started the service. False if the service was started already; a start under way is waited for.
   */
  async maybeStart(): Promise<boolean> {
    if (this.#lifecycle.kind === 'stopping') await this.#lifecycle.done
    if (this.#lifecycle.kind === 'starting') await this.#lifecycle.done
    if (this.#lifecycle.kind === 'running') return false
    await this.start()
    return true
  }

  /**
   * Stops the service, then its children in reverse order. Does nothing if the service is stopped.
   * @param timeoutMs bound of the service's own shutdown, without its children; default: as its options say
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

  /** An error in a hook does not end the stop early: whatever runs is ended. */
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
      this.logger.error({ err: error, service: child.name }, 'error while stopping a child')
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
   * Marks the service and all its children crashed. With a supervisor, wakes the supervisor; without one, the crash
   * reaches all parents up to the root, and their children. A service that is stopping is ended at once and is not
   * marked: nobody is to restart it.
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

  /** Adds a child, to be started and stopped with this service. */
  addDependency<Child extends Service>(child: Child): Child {
    child.parent = this
    this.children.push(child)
    return child
  }

  /** Adds a child as {@link addDependency} does, and starts it now if this service is started. */
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

  /** Called by the supervisor: `recoveryOf` this service has changed. For its children it counts too. */
  announceRecovery(): void {
    this.emit('state', this.state)
    for (const child of this.children) child.announceRecovery()
  }
}
