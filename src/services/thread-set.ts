/**
 * The threads of a service over its one queue, and the supervisor that restarts them. They all run one version of the
 * service's code, but while they are replaced: what joins takes nothing until all of it has started, and what leaves
 * finishes what it has begun. So there is no moment without a thread that serves.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ServiceLog } from '../contract/log.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import type { ModuleContract } from './module-contract.ts'
import { type ResolvedServiceOptions, resolveServiceOptions, type ServiceOptions } from '../contract/options.ts'
import type { RestartGroups } from '../supervision/restart-groups.ts'
import type { MethodQueue } from '../queue/method-queue.ts'
import { QueueServiceThread } from '../threads/queue-service-thread.ts'
import type { LifecycleState } from '../supervision/service.ts'
import type { Supervisor } from '../supervision/supervisor.ts'
import { within } from '../async/deadline.ts'

/** What a service runs: a module, and the options it was registered with. */
export interface Version {
  /** As it was registered, relative to the workers folder. */
  module: string
  /** `file:` URL of it. */
  moduleUrl: string
  overrides: ServiceOptions
  /** What the module says of itself. */
  contract: ModuleContract
}

/** Those of the registration, over those of the module, over the defaults. */
export function optionsOf({ overrides, contract }: Version): ResolvedServiceOptions {
  return resolveServiceOptions(contract.description?.options ?? {}, overrides)
}

export interface ThreadSetSettings {
  service: string
  queue: MethodQueue
  log: ServiceLog
  groups: RestartGroups
  /** Those of the service at the moment. */
  options: () => ResolvedServiceOptions
  /** A thread has changed state. */
  onChange: () => void
}

/** What happens once threads that are to join have started. */
export interface Joining {
  /** If it fails, none joins; after it, they do. */
  keep: () => Promise<void>
  takeOver: () => void
}

export class ThreadSet {
  version: Version
  current: QueueServiceThread[] = []
  supervisor: Supervisor | undefined
  readonly #settings: ThreadSetSettings
  #joining: QueueServiceThread[] = []
  readonly #leaving = new Map<QueueServiceThread, Promise<void>>()
  /** The restart options its supervisor has from it. */
  #restart: ResolvedServiceOptions['restart'] | undefined
  #restartsOfGone = 0

  constructor(version: Version, settings: ThreadSetSettings) {
    this.version = version
    this.#settings = settings
  }

  /** Also those that have yet to take over, and those that finish what they have begun. */
  get all(): QueueServiceThread[] {
    return [...this.current, ...this.#joining, ...this.#leaving.keys()]
  }

  get state(): LifecycleState | 'backoff' | 'failed' {
    // Asked for by every call.
    if (this.current.some(({ state }) => state === 'running')) return 'running'
    const states = new Set(this.current.map((thread) => this.#stateOf(thread)))
    // A supervisor stops what it restarts.
    if (states.has('stopping')) states.add('starting')
    const order = ['starting', 'backoff', 'failed', 'crashed'] as const
    return order.find((state) => states.has(state)) ?? 'stopped'
  }

  #stateOf(thread: QueueServiceThread): LifecycleState | 'backoff' | 'failed' {
    const { state } = thread
    // One that is given up because of another has not crashed itself.
    return (state === 'crashed' || state === 'stopped' ? this.supervisor?.recoveryOf(thread) : undefined) ?? state
  }

  get restartCount(): number {
    return this.current.reduce((sum, thread) => sum + thread.restartCount, this.#restartsOfGone)
  }

  countRestart(): void {
    for (const thread of this.current) thread.restartCount += 1
    // Replaced while it was stopped, it has none yet.
    if (this.current.length === 0) this.#restartsOfGone += 1
  }

  get crashReason(): Error | undefined {
    return this.current.find((thread) => thread.crashReason !== undefined)?.crashReason
  }

  /** Starts as many as are wanted, with a fresh budget. @throws what kept one from starting */
  async start(): Promise<void> {
    const supervisor = this.supervise()
    supervisor.budget.reset()
    for (const thread of this.current) supervisor.forget(thread)
    this.fit()
    await Promise.all(this.current.map((thread) => thread.maybeStart()))
  }

  /** Under the supervisor, and the budget, that the options ask for. */
  supervise(): Supervisor {
    const { service, groups, options } = this.#settings
    const { restart } = options()
    const { strategy, group, ...policy } = restart
    const before = this.supervisor
    if (before === undefined || strategy !== this.#restart?.strategy || group !== this.#restart.group) {
      const supervisor = groups.join(service, restart)
      before?.handOver(this.current, supervisor)
      if (before !== undefined) groups.leave(before, [])
      this.supervisor = supervisor
    } else if (!isDeepStrictEqual(restart, this.#restart)) before.budget.policy = policy
    this.#restart = restart
    const supervisor = this.supervisor as Supervisor
    supervisor.add(...this.current.filter((thread) => thread.supervisor === undefined))
    return supervisor
  }

  /** What crashes from now on stays down. */
  unsupervise(): void {
    if (this.supervisor !== undefined) this.#settings.groups.leave(this.supervisor, this.current)
    this.supervisor = undefined
  }

  /** Lets go of those too many, and makes those that are missing; they are still to be started. */
  fit(): QueueServiceThread[] {
    const { threads } = this.#settings.options()
    // Those that do not run go first, then those with least to finish.
    const load = (thread: QueueServiceThread) => (thread.state === 'running' ? thread.running : -1)
    const surplus = [...this.current].sort((a, b) => load(a) - load(b)).slice(0, -threads)
    if (surplus.length > 0) this.#retire(surplus)
    const missing = Array.from({ length: threads - this.current.length }, () => this.#create(this.version))
    this.current.push(...missing)
    this.supervise()
    return missing
  }

  /** More threads beside those there are; if one does not start, none joins. @throws what kept it from starting */
  async grow(count: number, { keep, takeOver }: Joining): Promise<void> {
    await this.#launch(this.version, count, keep, (joining) => {
      this.current.push(...joining)
      takeOver()
      return []
    })
  }

  /**
   * Threads of another version beside those there are. They take over once all have started; if one does not start,
   * those there are stay. From `takeOver` to the end nothing is awaited, so that no call meets half of each.
   * @throws what kept one from starting
   */
  async replace(version: Version, count: number, { keep, takeOver }: Joining): Promise<void> {
    await this.#launch(version, count, keep, (joining) => {
      const before = this.current
      this.unsupervise()
      this.version = version
      this.current = joining
      takeOver()
      return before
    })
  }

  /** @param join makes them count, and says which leave for that */
  async #launch(
    version: Version,
    count: number,
    keep: () => Promise<void>,
    join: (joining: QueueServiceThread[]) => QueueServiceThread[],
  ): Promise<void> {
    const joining = Array.from({ length: count }, () => this.#create(version, true))
    this.#joining = joining
    try {
      await Promise.all(joining.map((thread) => thread.start()))
      const dead = joining.find((thread) => thread.state !== 'running')
      if (dead !== undefined) throw dead.crashReason ?? new ThreadplaneError('CONFLICT', `${dead.name} was stopped`)
      await keep()
      this.#joining = []
      const leaving = join(joining)
      const supervisor = this.supervise()
      for (const thread of joining) thread.takeWork()
      this.#retire(leaving)
      // What has crashed meanwhile.
      supervisor.wakeup()
    } catch (error) {
      await this.#stopJoining(joining)
      throw error
    }
  }

  async #stopJoining(joining = this.#joining): Promise<void> {
    await Promise.all(joining.map((thread) => thread.stop()))
    if (this.#joining === joining) this.#joining = []
  }

  /** Another version for a service that is stopped, or other options for the threads there are. */
  adopt(version: Version): void {
    if (version.contract !== this.version.contract) this.#retire(this.current)
    this.version = version
    for (const thread of this.current) thread.overrides = version.overrides
  }

  #retire(threads: QueueServiceThread[]): void {
    for (const thread of threads) {
      this.#restartsOfGone += thread.restartCount
      this.#leaving.set(thread, this.#seeOff(thread))
    }
    if (this.supervisor !== undefined) this.#settings.groups.leave(this.supervisor, threads)
    this.current = this.current.filter((thread) => !threads.includes(thread))
  }

  async #seeOff(thread: QueueServiceThread): Promise<void> {
    try {
      await thread.retire()
    } catch (error) {
      this.#settings.log.error({ err: error, service: thread.name }, 'error while a thread was replaced')
    } finally {
      this.#leaving.delete(thread)
    }
  }

  /** Resolves once those that leave have left, or after `timeoutMs`. */
  async left(timeoutMs: number): Promise<void> {
    await within(Promise.all(this.#leaving.values()), timeoutMs)
  }

  /** Resolves as soon as all have ended what they were handed. */
  async idle(): Promise<void> {
    await Promise.all(this.all.map((thread) => thread.idle()))
  }

  /** Ends what has yet to take over. */
  interrupt(): void {
    void this.#stopJoining()
  }

  async stop(timeoutMs: number): Promise<void> {
    await Promise.all(this.all.map((thread) => thread.stop(timeoutMs)))
  }

  #create({ moduleUrl, overrides, contract }: Version, standby = false): QueueServiceThread {
    const { service, queue, log, onChange } = this.#settings
    const thread = new QueueServiceThread({
      name: service,
      module: moduleUrl,
      options: overrides,
      description: contract.description,
      log,
      methodQueue: queue,
      standby,
      takeDescribed: () => contract.takeDescribed(),
      onDescribed: (description) => contract.learn(description),
    })
    thread.on('state', onChange)
    return thread
  }
}
