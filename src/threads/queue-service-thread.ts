/**
 * A ServiceThread with a method queue: `callThread` waits for a method's result, `castThread` does not.
 * Source: mode/threads.py QueueServiceThread
 */
import { resolvesWithin } from '../async/deadline.ts'
import type { ThreadEndReason } from '../contract/events.ts'
import type { ServiceDefinition } from '../module/define-service.ts'
import type { ThreadMessage } from '../protocol/messages.ts'
import { Handoff } from '../queue/handoff.ts'
import { MethodQueue } from '../queue/method-queue.ts'
import type { QueuedMethod } from '../queue/queued-method.ts'
import type { ChargedTo } from '../supervision/lifecycle.ts'
import { Seats } from './seats.ts'
import { ServiceThread } from './service-thread.ts'
import type { QueueServiceThreadOptions } from './service-thread-options.ts'
import {
  abortWith,
  answerOf,
  type CallOptions,
  enqueue,
  type MethodsOf,
  type PayloadOf,
  type ResultOf,
} from './thread-call.ts'
import type { ThreadSession } from './thread-session.ts'
import { timings } from './timings.ts'

export class QueueServiceThread<Module extends ServiceDefinition = ServiceDefinition> extends ServiceThread {
  readonly methodQueue: MethodQueue
  readonly #ownsQueue: boolean
  readonly #seats: Seats
  /** Threads that were replaced because a method went on after its deadline. */
  readonly #overdue = new WeakSet<ThreadSession>()
  /** Why its threads end, if nothing else ends them. */
  leavesFor: ThreadEndReason = 'stop'

  constructor(options: QueueServiceThreadOptions) {
    super(options)
    this.#ownsQueue = options.methodQueue === undefined
    const { queueCapacity: capacity, queueBytes: maxBytes } = this.options
    this.methodQueue = options.methodQueue ?? new MethodQueue({ service: this.name, capacity, maxBytes })
    this.#seats = new Seats(this.name, this.methodQueue, options.standby ? 'standby' : 'serving')
    this.on('state', () => this.#rejectIfGivenUp())
  }

  /**
   * Runs a method in the thread and returns its result, as a structured clone. A call before `start()` waits for the
   * start. A method that streams is returned with its first item, as an async iterable: to leave the iterable early
   * ends the method's generator.
   * @throws what the method threw, with its name, message, code and cause; QUEUE_FULL, VALIDATION_FAILED,
   * DEADLINE_EXCEEDED, JOB_CANCELLED, THREAD_DIED, RESULT_INVALID, RESULT_NOT_SERIALIZABLE
   */
  callThread<Name extends keyof MethodsOf<Module> & string>(
    method: Name,
    payload: PayloadOf<MethodsOf<Module>[Name]>,
    options: CallOptions = {},
  ): Promise<ResultOf<MethodsOf<Module>[Name]>> {
    let queued: QueuedMethod
    try {
      queued = enqueue(this, 'call', method, payload, options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (options.signal !== undefined) abortWith(options.signal, queued)
    return answerOf(this, queued) as Promise<ResultOf<MethodsOf<Module>[Name]>>
  }

  /** Queues a method and returns at once. Its error never reaches the caller; it is logged. @throws QUEUE_FULL */
  castThread<Name extends keyof MethodsOf<Module> & string>(
    method: Name,
    payload: PayloadOf<MethodsOf<Module>[Name]>,
    options: Pick<CallOptions, 'priority'> = {},
  ): void {
    const queued = enqueue(this, 'cast', method, payload, options)
    queued.whenSettled((error) => {
      if (error === undefined) return
      this.logger.error({ err: error, service: this.name, method, jobId: queued.job.id }, 'a cast failed')
    })
  }

  /** Resolves as soon as its threads have ended everything handed to them. */
  async idle(): Promise<void> {
    await this.#seats.idle()
  }

  /** Takes back the methods that were handed to its threads and have not begun. */
  recall(kinds: readonly QueuedMethod['kind'][] = ['call', 'cast']): void {
    this.#seats.recall(kinds)
  }

  /** How many methods its threads have begun and not ended. */
  get running(): number {
    return this.#seats.running
  }

  /** How many methods were handed to its threads and have not begun. */
  get prefetched(): number {
    return this.#seats.load - this.#seats.running
  }

  /** When the oldest of those was queued; infinite if there are none. */
  get oldestWaitingAt(): number {
    return this.#seats.oldestWaitingAt
  }

  /** Takes methods from the queue from now on, after the option `standby`. */
  takeWork(): void {
    this.#seats.serve()
  }

  /**
   * Takes nothing more, and stops once the methods that it has begun have ended: their deadlines bound that. The
   * methods that it has not begun go back to the queue at once, for other threads.
   */
  async retire(): Promise<void> {
    this.#seats.retireAll()
    if (this.state === 'running') await this.idle()
    await this.stop()
  }

  /** Ends its threads without waiting for their end: the methods that they have begun fail at once. */
  abandon(reason: Error): void {
    for (const session of this.#seats.sessions) void this.#seats.end(session, reason)
  }

  /** After `retire()`: it finishes the methods that it has begun, before it stops. */
  get draining(): boolean {
    return this.#seats.role === 'retiring' && this.state === 'running'
  }

  protected override async launch(): Promise<void> {
    // Started again after it had been retired, it serves.
    if (this.#seats.role === 'retiring') this.#seats.serve()
    await super.launch()
    const { queueCapacity: capacity, queueBytes: maxBytes } = this.options
    if (this.#ownsQueue) this.methodQueue.limits = { capacity, maxBytes }
    if (this.session !== undefined) this.#seat(this.session)
  }

  #seat(session: ThreadSession): void {
    const handoff = new Handoff({
      queue: this.methodQueue,
      slots: session.slots,
      numWorkers: this.options.numWorkers,
      cancelGraceMs: () => Math.max(this.options.cancelGraceMs, timings.leastCancelGraceMs),
      post: (messages) => session.worker.post(messages),
      onOverdue: (method) => this.#onOverdue(session, method),
      beginWithinMs: () => timings.beginWithinMs,
      onNothingBegun: () => session.onNothingBegun(),
    })
    void session.worker.stop().then(() => this.#seats.end(session))
    this.#seats.add(session, handoff)
  }

  protected override onThreadMessage(session: ThreadSession, message: ThreadMessage): void {
    switch (message.type) {
      case 'result':
      case 'item':
      case 'failure':
      case 'progress':
        this.#seats.get(session)?.handoff.receive(message)
        break
      default:
        this.logger.warn({ service: this.name }, 'a message of an unknown kind from the thread was ignored')
    }
  }

  protected override onResponsive(session: ThreadSession, responsive: boolean): void {
    const handoff = this.#seats.get(session)?.handoff
    if (responsive) handoff?.resume()
    else handoff?.suspend()
  }

  /**
   * Runs everything that is queued before the thread ends; with a queue that other threads share, only the methods that
   * this thread has begun. Bounded by `timeoutMs`, of which `onThreadStop` gets what is left.
   */
  protected override async shutDown(timeoutMs = this.options.shutdownTimeoutMs): Promise<void> {
    const until = performance.now() + timeoutMs
    await resolvesWithin(this.#finish(), timeoutMs)
    const { session } = this
    this.#seats.closeAll()
    await super.shutDown(Math.max(until - performance.now(), timings.minStopTimeoutMs))
    const retired = this.#seats.sessions.filter((other) => other !== session)
    await Promise.all(retired.map((other) => this.#seats.end(other)))
  }

  async #finish(): Promise<void> {
    // If the thread dies, the methods that wait stay in the queue.
    const died = this.session?.worker.stop()
    if (this.#ownsQueue && died !== undefined) await Promise.race([this.methodQueue.drained(), died])
    if (!this.#ownsQueue) this.#seats.closeAll()
    await this.idle()
  }

  protected override async stopSession(session: ThreadSession, timeoutMs: number): Promise<void> {
    await super.stopSession(session, timeoutMs)
    // A stuck thread has not ended, and will not end the methods that it has begun.
    await this.#seats.end(session)
  }

  protected override endSession(session: ThreadSession, reason: Error): Promise<void> {
    return this.#seats.end(session, reason)
  }

  protected override endReasonOf(session: ThreadSession): ThreadEndReason {
    return this.#overdue.has(session) ? 'retired' : this.leavesFor
  }

  protected override jobOf(session: ThreadSession): string | undefined {
    const [method] = this.#seats.get(session)?.handoff.running ?? []
    return this.chargedToOf(session) === 'job' ? method?.job.id : undefined
  }

  /** The death of a thread that had begun one single method is charged to that method's job. */
  protected override chargedToOf(session: ThreadSession): ChargedTo {
    const begun = this.#seats.get(session)?.handoff.running ?? []
    return begun.length === 1 && !session.crashedOnPurpose ? 'job' : 'service'
  }

  protected override onThreadDeath(session: ThreadSession, reason: Error): void {
    super.onThreadDeath(session, reason)
    // The death of a retiring thread is no crash of the service, which has another thread.
    if (this.#seats.get(session) !== undefined) void this.#seats.end(session, reason)
  }

  /**
   * A method went on after its own deadline and the grace. Its thread is retired: a new thread takes new work. The old
   * one is ended as soon as its other methods have ended or are overdue too, or if its event loop is blocked, so that
   * they cannot end. That is no crash and costs no restart.
   */
  #onOverdue(session: ThreadSession, method: QueuedMethod): void {
    const seat = this.#seats.get(session)
    if (seat === undefined) return
    const { handoff } = seat
    const isReplaced = seat.role === 'serving' && this.state === 'running'
    if (isReplaced) {
      void this.#reportOverdue(session, method)
      this.session = undefined
      this.#overdue.add(session)
      this.#seats.retire(session)
      void handoff.idle().then(() => this.#seats.end(session))
    }
    const isOver = handoff.allOverdue || session.silentMs > timings.blockedAfterMs
    const ended = isOver
      ? this.#seats.end(session, new Error(`${method.method} went on after its deadline`))
      : undefined
    if (isReplaced) void this.#replace(ended)
  }

  async #reportOverdue(session: ThreadSession, { method, job }: QueuedMethod): Promise<void> {
    const err = await session.withThreadStack(new Error(`${this.name}.${method} goes on after its deadline`))
    const about = { service: this.name, method, jobId: job.id, err }
    this.logger.warn(about, 'the thread is retired: a method goes on after its deadline')
  }

  /**
   * Starts a thread in place of a retired one.
   * @param ended if the old thread is being ended: the start waits for that, but not long. A thread that loops takes
   * one processor until its end, and a start takes another.
   */
  async #replace(ended?: Promise<void>): Promise<void> {
    if (ended !== undefined) await resolvesWithin(ended, timings.endBeforeStartMs)
    // Meanwhile it may have been stopped or retired, or restarted by its supervisor.
    if (!this.#lacksThread()) return
    try {
      const session = await this.spawn()
      if (!this.#lacksThread()) return await session.terminate()
      this.session = session
      this.#seat(session)
    } catch (error) {
      if (this.#lacksThread()) this.crash(error as Error)
    }
  }

  /** Is it to serve, and has no thread for that? */
  #lacksThread(): boolean {
    return this.state === 'running' && this.#seats.role !== 'retiring' && this.session === undefined
  }

  /** Rejects the methods that wait: no other thread takes from the queue, and nobody restarts this one. */
  #rejectIfGivenUp(): void {
    if (!this.#ownsQueue || !this.crashed || this.awaitsRestart) return
    // `kill` is called right after this event, and puts back the methods that had not begun.
    queueMicrotask(() => {
      if (!this.crashed) return
      this.methodQueue.rejectAll((method) =>
        method.error('THREAD_DIED', `the thread of ${this.name} died: ${this.crashReason?.message}`),
      )
    })
  }
}
