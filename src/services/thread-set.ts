/**
 * The threads of a service over its one queue, and the supervisor that restarts them.
 *
 * `current` are the threads that serve. While a version is replaced there are others beside them: threads that are
 * starting take nothing from the queue until all of them have started, and threads that leave finish what they have
 * begun. So there is no moment without a thread that serves.
 */
import { isDeepStrictEqual } from 'node:util'
import { ThreadplaneError } from '../contract/errors.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import { resolvesWithin } from '../async/deadline.ts'
import type { MethodQueue } from '../queue/method-queue.ts'
import type { RestartGroups } from '../supervision/restart-groups.ts'
import type { LifecycleState } from '../supervision/service.ts'
import type { Supervisor } from '../supervision/supervisor.ts'
import type { ThreadEndReason } from '../contract/events.ts'
import type { ThreadEvent } from '../threads/thread-reports.ts'
import { QueueServiceThread } from '../threads/queue-service-thread.ts'
import type { ThreadSetHealth } from './phase.ts'
import { givenOptions, type Version } from './version.ts'

export interface ThreadSetSettings {
  service: string
  queue: MethodQueue
  log: ServiceLog
  groups: RestartGroups
  /** The options of the service now. */
  options: () => ResolvedServiceOptions
  /** A thread has changed its state, or its supervisor does something else about its crash. */
  onChange: () => void
  /** Something has happened to one of the threads. */
  onThread: (index: number, event: ThreadEvent) => void
}

export class ThreadSet {
  version: Version
  current: QueueServiceThread[] = []
  supervisor: Supervisor | undefined
  readonly #settings: ThreadSetSettings
  #joining: QueueServiceThread[] = []
  readonly #leaving = new Map<QueueServiceThread, Promise<void>>()
  /** The restart options that its supervisor was made with. */
  #restart: ResolvedServiceOptions['restart'] | undefined
  #restartsOfGone = 0

  constructor(version: Version, settings: ThreadSetSettings) {
    this.version = version
    this.#settings = settings
  }

  /** Also threads that have yet to take over, and threads that finish what they have begun. */
  get all(): QueueServiceThread[] {
    return [...this.current, ...this.#joining, ...this.#leaving.keys()]
  }

  get health(): ThreadSetHealth {
    if (this.current.some(({ state }) => state === 'running')) return 'running'
    const states = new Set(this.current.map((thread) => this.#stateOf(thread)))
    // A supervisor stops the threads that it restarts.
    if (states.has('stopping')) states.add('starting')
    const order = ['starting', 'backoff', 'failed', 'crashed'] as const
    return order.find((state) => states.has(state)) ?? 'stopped'
  }

  #stateOf(thread: QueueServiceThread): LifecycleState | 'backoff' | 'failed' {
    const { state } = thread
    // A thread that was given up because of another has stopped without a crash.
    return (state === 'crashed' || state === 'stopped' ? this.supervisor?.recoveryOf(thread) : undefined) ?? state
  }

  get restartCount(): number {
    return this.current.reduce((sum, thread) => sum + thread.restartCount, this.#restartsOfGone)
  }

  /** When its supervisor starts the first of its threads again, if one waits for that. */
  get nextStartAt(): Date | undefined {
    const times = this.current.flatMap((thread) => this.supervisor?.nextStartOf(thread) ?? [])
    return times.sort((a, b) => a.getTime() - b.getTime())[0]
  }

  countRestart(): void {
    for (const thread of this.current) thread.restartCount += 1
    // A service that was replaced while it was stopped has no threads yet.
    if (this.current.length === 0) this.#restartsOfGone += 1
  }

  get crashReason(): Error | undefined {
    return this.current.find((thread) => thread.crashReason !== undefined)?.crashReason
  }

  /** The module cannot be described: the first thread crashes, and its supervisor restarts it. The others start after it. */
  crashFirst(reason: Error): void {
    const first = this.#create(this.version)
    this.current.push(first)
    this.supervise()
    first.crash(reason)
  }

  /** Starts as many threads as the options say, with a fresh budget. @throws what kept one from starting */
  async start(): Promise<void> {
    const supervisor = this.supervise()
    supervisor.budget.reset()
    for (const thread of this.current) supervisor.forget(thread)
    this.fit()
    await Promise.all(this.current.map((thread) => thread.maybeStart()))
  }

  /** Puts the current threads under the supervisor, and the budget, that the options ask for. */
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

  /** From now on a thread that crashes stays down. */
  unsupervise(): void {
    if (this.supervisor !== undefined) this.#settings.groups.leave(this.supervisor, this.current)
    this.supervisor = undefined
  }

  /** Retires threads beyond the number in the options, and makes those that are missing, which the caller starts. */
  fit(): QueueServiceThread[] {
    const { threads } = this.#settings.options()
    // First those that do not run, then those with the fewest methods to finish.
    const load = (thread: QueueServiceThread) => (thread.state === 'running' ? thread.running : -1)
    const surplus = [...this.current].sort((a, b) => load(a) - load(b)).slice(0, -threads)
    if (surplus.length > 0) this.#retire(surplus, 'scale')
    const missing = Array.from({ length: threads - this.current.length }, () => this.#create(this.version))
    this.current.push(...missing)
    this.supervise()
    return missing
  }

  /**
   * Starts threads of a version beside the current ones; they take nothing from the queue. If one does not start, all of
   * them are stopped. At most one launch at a time.
   * @throws what kept one from starting
   */
  async launch(version: Version, count: number): Promise<QueueServiceThread[]> {
    const joining = Array.from({ length: count }, () => this.#create(version, true))
    this.#joining = joining
    try {
      await Promise.all(joining.map((thread) => thread.start()))
      const dead = joining.find((thread) => thread.state !== 'running')
      if (dead !== undefined) throw dead.crashReason ?? new ThreadplaneError('CONFLICT', `${dead.name} was stopped`)
      return joining
    } catch (error) {
      await this.dismiss()
      throw error
    }
  }

  /** Stops the threads that were launched and have not taken over. */
  async dismiss(timeoutMs?: number): Promise<void> {
    const joining = this.#joining
    await Promise.all(joining.map((thread) => thread.stop(timeoutMs)))
    if (this.#joining === joining) this.#joining = []
  }

  /**
   * The launched threads serve from now on; those of another version leave. Nothing is awaited here, so that no call meets
   * half of each version.
   * @param onSwitched called as soon as the version is the new one: options and contract follow it
   */
  takeOver(version: Version, joining: QueueServiceThread[], onSwitched: () => void): void {
    const isOther = version.contract !== this.version.contract
    const leaving = isOther ? this.current : []
    this.#joining = []
    if (isOther) this.unsupervise()
    this.current = [...this.current.filter((thread) => !leaving.includes(thread)), ...joining]
    this.version = version
    for (const thread of this.current) thread.overrides = givenOptions(version)
    onSwitched()
    const supervisor = this.supervise()
    for (const thread of joining) thread.takeWork()
    this.#retire(leaving, 'reload')
    // A thread may have crashed while nobody supervised it.
    supervisor.wakeup()
  }

  /** Another version for a service that is stopped, or other options for the threads that run. */
  adopt(version: Version): void {
    if (version.contract !== this.version.contract) this.#retire(this.current, 'reload')
    this.version = version
    for (const thread of this.current) thread.overrides = givenOptions(version)
  }

  #retire(threads: QueueServiceThread[], why: ThreadEndReason): void {
    for (const thread of threads) {
      thread.leavesFor = why
      this.#restartsOfGone += thread.restartCount
      this.#leaving.set(thread, this.#finish(thread))
    }
    if (this.supervisor !== undefined) this.#settings.groups.leave(this.supervisor, threads)
    this.current = this.current.filter((thread) => !threads.includes(thread))
  }

  async #finish(thread: QueueServiceThread): Promise<void> {
    try {
      await thread.retire()
    } catch (error) {
      this.#settings.log.error({ err: error, service: thread.name }, 'error while a thread was replaced')
    } finally {
      this.#leaving.delete(thread)
    }
  }

  /** Resolves once the threads that leave have ended, or after `timeoutMs`. */
  async left(timeoutMs: number): Promise<void> {
    await resolvesWithin(Promise.all(this.#leaving.values()), timeoutMs)
  }

  /** Resolves as soon as all threads have ended the methods that they were handed. */
  async idle(): Promise<void> {
    await Promise.all(this.all.map((thread) => thread.idle()))
  }

  async stop(timeoutMs: number): Promise<void> {
    await Promise.all(this.all.map((thread) => thread.stop(timeoutMs)))
  }

  #create(version: Version, standby = false): QueueServiceThread {
    const { moduleUrl, contract } = version
    const { service, queue, log, onChange, onThread } = this.#settings
    const thread: QueueServiceThread = new QueueServiceThread({
      name: service,
      module: moduleUrl,
      options: givenOptions(version),
      description: contract.description,
      log,
      methodQueue: queue,
      standby,
      takeDescribed: () => contract.takeDescribed(),
      onDescribed: (description) => contract.learn(description),
      onThread: (event) => onThread(Math.max(this.all.indexOf(thread), 0), event),
    })
    thread.on('state', onChange)
    return thread
  }
}
