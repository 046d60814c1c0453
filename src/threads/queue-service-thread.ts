/**
 * A ServiceThread with a method queue: `callThread` waits for a method's result, `castThread` does not.
 * Source: mode/threads.py QueueServiceThread
 */
import type { z } from 'zod'
import { BytePayload } from '../payload/byte-payload.ts'
import { METHOD_DEFAULTS } from '../contract/options.ts'
import type { ThreadMessage } from '../protocol/messages.ts'
import type { MethodDefinition, ServiceDefinition } from '../module/define-service.ts'
import { uuidv7 } from '../contract/uuidv7.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { Handoff } from '../queue/handoff.ts'
import { asThrown, ItemStream } from '../queue/item-stream.ts'
import { MethodQueue } from '../queue/method-queue.ts'
import { QueuedMethod } from '../queue/queued-method.ts'
import type { ChargedTo } from '../supervision/service.ts'
import { ServiceThread, type ServiceThreadOptions } from './service-thread.ts'
import type { ThreadSession } from './thread-session.ts'

export interface QueueServiceThreadOptions extends ServiceThreadOptions {
  /** Shared with other threads of the same service. Default: one of its own. */
  methodQueue?: MethodQueue
  /** True: it takes nothing from the queue before `takeWork()`. Default false. */
  standby?: boolean
}

export interface CallOptions {
  /** A method aborted before its turn is not run; one that runs is told by its own signal. */
  signal?: AbortSignal
  /** From now on, the queue included, in milliseconds. Default: the method's `timeoutMs`. */
  timeoutMs?: number
  /** 0 to 9, 9 first. Default: the method's. */
  priority?: number
}

const PRIORITIES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
/** The start of a new thread waits no longer for the end of the one before it. */
const END_BEFORE_START_MS = 500
/** A thread in which one method is overdue, and which has not turned for so long, lets no other end. */
const SILENT_TOO_LONG_MS = 5_000
/** What `onThreadStop` gets when draining the queue took all of `shutdownTimeoutMs`. */
const STOP_AT_LEAST_MS = 100

type MethodsOf<Module extends ServiceDefinition> = Module['methods']
type PayloadOf<Method> = Method extends MethodDefinition<infer Input, z.ZodType> ? z.input<Input> : never
type ResultOf<Method> = Method extends MethodDefinition<infer _Input, infer Output> ? z.output<Output> : never

export class QueueServiceThread<Module extends ServiceDefinition = ServiceDefinition> extends ServiceThread {
  readonly methodQueue: MethodQueue
  readonly #ownsQueue: boolean
  readonly #handoffs = new Map<ThreadSession, Handoff>()
  #standby: boolean
  #retiring = false

  constructor(options: QueueServiceThreadOptions) {
    super(options)
    this.#ownsQueue = options.methodQueue === undefined
    this.#standby = options.standby ?? false
    const { queueCapacity: capacity, queueBytes: maxBytes } = this.options
    this.methodQueue = options.methodQueue ?? new MethodQueue({ service: this.name, capacity, maxBytes })
    this.on('state', () => this.#rejectIfGivenUp())
  }

  /**
   * Runs a method in the thread and returns its result, as a structured clone. Before `start()` it waits for that. A
   * stream is returned with its first item, as an async iterable; whoever leaves it early ends its generator.
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
      queued = this.#enqueue('call', method, payload, options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (options.signal !== undefined) abortWith(options.signal, queued)
    // Not awaited on its way: a promise a hop was an eighth of what a round trip cost.
    return this.#answerOf(queued) as Promise<ResultOf<MethodsOf<Module>[Name]>>
  }

  #answerOf(queued: QueuedMethod): Promise<unknown> {
    const streams = () => this.description?.methods[queued.method]?.streams
    if (this.description !== undefined && !streams()) return resultOf(queued)
    // What it returns is not known before it has described itself.
    const items = new ItemStream(queued)
    return items.begun().then(() => (streams() && !queued.failedAtOnce ? items : resultOf(queued)))
  }

  /** Queues a method and returns at once. Its error never reaches the caller; it is logged. @throws QUEUE_FULL */
  castThread<Name extends keyof MethodsOf<Module> & string>(
    method: Name,
    payload: PayloadOf<MethodsOf<Module>[Name]>,
    options: Pick<CallOptions, 'priority'> = {},
  ): void {
    const queued = this.#enqueue('cast', method, payload, options)
    queued.whenSettled((error) => {
      if (error === undefined) return
      this.log.error({ err: error, service: this.name, method, jobId: queued.job.id }, 'a cast failed')
    })
  }

  #enqueue(kind: 'call' | 'cast', method: string, payload: unknown, options: CallOptions): QueuedMethod {
    const known = this.description?.methods[method]?.options ?? METHOD_DEFAULTS
    const { priority = known.priority } = options
    if (!PRIORITIES.includes(priority)) throw new RangeError(`a priority is an integer from 0 to 9, not ${priority}`)
    const queued = new QueuedMethod({
      service: this.name,
      method,
      // Not transferred: they stay the caller's.
      payload: payload instanceof Uint8Array ? new BytePayload(undefined, [payload]) : payload,
      kind,
      format: 'clone',
      job: { id: uuidv7(), attempt: 1 },
      bytes: 0,
      priority,
      timeoutMs: known.timeoutMs,
    })
    this.methodQueue.enqueue(queued)
    if (kind === 'call') queued.expireAfter(options.timeoutMs ?? known.timeoutMs)
    return queued
  }

  /** Resolves as soon as its threads have ended all they were handed. */
  async idle(): Promise<void> {
    await Promise.all([...this.#handoffs.values()].map((handoff) => handoff.idle()))
  }

  /** Takes back what was handed to its threads and has not begun. */
  recall(kinds: readonly QueuedMethod['kind'][] = ['call', 'cast']): void {
    for (const handoff of this.#handoffs.values()) handoff.recall(kinds)
  }

  /** How many methods its threads have begun. */
  get running(): number {
    let running = 0
    for (const handoff of this.#handoffs.values()) running += handoff.running.length
    return running
  }

  /** How many were handed to its threads and have not begun. */
  get prefetched(): number {
    let handed = 0
    for (const handoff of this.#handoffs.values()) handed += handoff.load
    return handed - this.running
  }

  /** From now on it takes from the queue. */
  takeWork(): void {
    this.#standby = false
    for (const handoff of this.#handoffs.values()) this.methodQueue.attach(handoff)
  }

  /**
   * Takes nothing more, and stops once it has finished what it has begun: that is bounded by the deadlines of those
   * methods. What it has not begun goes back to the queue at once, for other threads.
   */
  async retire(): Promise<void> {
    this.#retiring = true
    for (const handoff of this.#handoffs.values()) handoff.close()
    if (this.state === 'running') await this.idle()
    await this.stop()
  }

  /** Ends its threads, and waits for nothing: what they have begun fails at once. */
  abandon(reason: Error): void {
    for (const session of this.#handoffs.keys()) void this.#end(session, reason)
  }

  /** Does it only finish what it has begun, before it stops? */
  get draining(): boolean {
    return this.#retiring && this.state === 'running'
  }

  protected override async launch(): Promise<void> {
    await super.launch()
    const { queueCapacity: capacity, queueBytes: maxBytes } = this.options
    if (this.#ownsQueue) this.methodQueue.limits = { capacity, maxBytes }
    if (this.session !== undefined) this.#serve(this.session)
  }

  #serve(session: ThreadSession): void {
    const handoff = new Handoff({
      queue: this.methodQueue,
      slots: session.slots,
      numWorkers: this.options.numWorkers,
      cancelGraceMs: () => this.options.cancelGraceMs,
      post: (messages) => session.worker.post(messages),
      onOverdue: (method) => this.#onOverdue(session, method),
    })
    this.#handoffs.set(session, handoff)
    void session.worker.stop().then(() => this.#end(session))
    if (!this.#standby) this.methodQueue.attach(handoff)
  }

  protected override onThreadMessage(session: ThreadSession, message: ThreadMessage): void {
    switch (message.type) {
      case 'result':
      case 'item':
      case 'failure':
      case 'progress':
        this.#handoffs.get(session)?.receive(message)
        break
      default:
        this.log.warn({ service: this.name }, 'a message of an unknown kind from the thread was ignored')
    }
  }

  protected override onResponsive(session: ThreadSession, responsive: boolean): void {
    const handoff = this.#handoffs.get(session)
    if (responsive) handoff?.resume()
    else handoff?.suspend()
  }

  /**
   * What was queued is run before the thread ends; of a queue shared with other threads, what this one has begun.
   * Bounded by `shutdownTimeoutMs`, of which the thread gets what is left.
   */
  protected override async shutDown(timeoutMs = this.options.shutdownTimeoutMs): Promise<void> {
    const until = performance.now() + timeoutMs
    await resolvesWithin(this.#finish(), timeoutMs)
    const { session } = this
    for (const handoff of this.#handoffs.values()) handoff.close()
    await super.shutDown(Math.max(until - performance.now(), STOP_AT_LEAST_MS))
    const left = [...this.#handoffs.keys()].filter((other) => this.waitForShutdown || other !== session)
    await Promise.all(left.map((other) => this.#end(other)))
  }

  async #finish(): Promise<void> {
    // Of a thread that dies meanwhile there is nothing to wait for.
    const died = this.session?.worker.stop()
    if (this.#ownsQueue && died !== undefined) await Promise.race([this.methodQueue.drained(), died])
    if (!this.#ownsQueue) for (const handoff of this.#handoffs.values()) handoff.close()
    await this.idle()
  }

  protected override endSession(session: ThreadSession, reason: Error): Promise<void> {
    return this.#end(session, reason)
  }

  /** Ends a thread; what it had begun fails, at once. */
  #end(session: ThreadSession, reason?: Error): Promise<void> {
    const why = reason === undefined ? 'it was stopped' : `${reason.name}: ${reason.message}`
    this.#handoffs
      .get(session)
      ?.abandon((method) =>
        method.error('THREAD_DIED', `the thread of ${this.name} died: ${why}`, { started: true, cause: reason }),
      )
    this.#handoffs.delete(session)
    return session.terminate()
  }

  /** The only method it had begun is to blame for the death of a thread. */
  protected override chargedToOf(session: ThreadSession): ChargedTo {
    const begun = this.#handoffs.get(session)?.running ?? []
    return begun.length === 1 && !session.crashedOnPurpose ? 'job' : 'service'
  }

  protected override onThreadDeath(session: ThreadSession, reason: Error): void {
    super.onThreadDeath(session, reason)
    // A retired thread dies alone; the service has another.
    if (this.#handoffs.has(session)) void this.#end(session, reason)
  }

  /**
   * A method went on after its own deadline and the grace. Its thread is retired: a new one takes new work, and the
   * old one is ended as soon as its other methods have ended, or have gone on for too long themselves; or where its
   * event loop does not turn, so that they cannot end. That is no crash and costs no restart.
   */
  #onOverdue(session: ThreadSession, method: QueuedMethod): void {
    const handoff = this.#handoffs.get(session)
    if (handoff === undefined) return
    const isReplaced = session === this.session && this.state === 'running' && !this.#retiring
    if (isReplaced) {
      void this.#reportOverdue(session, method)
      this.session = undefined
      handoff.close()
      void handoff.idle().then(() => this.#end(session))
    }
    const isOver = handoff.allOverdue || session.silentMs > SILENT_TOO_LONG_MS
    const ended = isOver ? this.#end(session, new Error(`${method.method} went on after its deadline`)) : undefined
    if (isReplaced) void this.#replace(ended)
  }

  async #reportOverdue(session: ThreadSession, { method, job }: QueuedMethod): Promise<void> {
    const err = await session.withItsStack(new Error(`${this.name}.${method} goes on after its deadline`))
    const about = { service: this.name, method, jobId: job.id, err }
    this.log.warn(about, 'the thread is retired: a method goes on after its deadline')
  }

  /** @param ended one that loops takes a processor until then, and a start takes another: others would get none */
  async #replace(ended?: Promise<void>): Promise<void> {
    if (ended !== undefined) await resolvesWithin(ended, END_BEFORE_START_MS)
    // Meanwhile it may have been stopped, or restarted, by its supervisor.
    if (this.state !== 'running' || this.#retiring || this.session !== undefined) return
    try {
      const session = await this.spawn()
      if (this.state !== 'running' || this.#retiring) return await session.terminate()
      this.session = session
      this.#serve(session)
    } catch (error) {
      if (this.state === 'running' && !this.#retiring) this.crash(error as Error)
    }
  }

  /** With a queue of its own and nobody to restart the thread, nothing that waits would ever run. */
  #rejectIfGivenUp(): void {
    if (!this.#ownsQueue || !this.crashed || this.awaitsRestart) return
    // After `kill` has put back what had not begun.
    queueMicrotask(() => {
      if (!this.crashed) return
      this.methodQueue.rejectAll((method) =>
        method.error('THREAD_DIED', `the thread of ${this.name} died: ${this.crashReason?.message}`),
      )
    })
  }
}

function resultOf(queued: QueuedMethod): Promise<unknown> {
  return new Promise((resolve, reject) => {
    queued.whenSettled((error, value) => (error === undefined ? resolve(value) : reject(asThrown(error) as Error)))
  })
}

function abortWith(signal: AbortSignal, queued: QueuedMethod): void {
  const abort = () => queued.abort('JOB_CANCELLED', `the call of ${queued.service}.${queued.method} was aborted`)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  queued.whenSettled(() => signal.removeEventListener('abort', abort))
}
