/**
 * A registered service: its threads over one method queue, what clients call and what jobs run in them, and how it shows
 * itself in its status. Its life is in service-lifecycle.ts.
 */
import { resolvesWithin } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import type { CrashKind } from '../contract/crash-kind.ts'
import { RETRY_AFTER_SECONDS, type ThreadplaneError } from '../contract/errors.ts'
import { eventError, type ServiceStateFacts } from '../contract/events.ts'
import { METHOD_DEFAULTS, type ResolvedMethodOptions, type RegistrationOptions } from '../contract/options.ts'
import { uuidv7 } from '../contract/uuidv7.ts'
import type { AttemptRequest, JobTarget } from '../jobs/job-target.ts'
import { BytePayload } from '../payload/byte-payload.ts'
import { QueuedMethod } from '../queue/queued-method.ts'
import type { QueueServiceThread } from '../threads/queue-service-thread.ts'
import type { LiveStack } from '../threads/live-threads.ts'
import { ServiceWorker } from '../threads/service-worker.ts'
import type { ThreadSession } from '../threads/thread-session.ts'
import { startLine } from '../threads/start-line.ts'
import type { ServiceMeter } from '../telemetry/meters.ts'
import type { CallRequest, Invocation } from './call-invoker.ts'
import { ServiceCounter } from './service-counter.ts'
import { ServiceLifecycle } from './service-lifecycle.ts'
import { wasStopped } from './stopping.ts'

/** Longest wait for a crash on purpose to be seen, so that the answer shows the state after it. */
const CRASH_SEEN_WITHIN_MS = 1_000

/** How often a service that waits for another to run waits again, as threads wait for their turn to start. */
const MAX_WAITS_IN_LINE = 20

export class SupervisedService extends ServiceLifecycle implements JobTarget {
  readonly counter = new ServiceCounter(this.name, this.settings.log, this.settings.meter, this.settings.traces)

  /** What is counted of it for `/metrics`. */
  get meter(): ServiceMeter {
    return this.settings.meter
  }

  /** As it was registered, relative to the folder of service modules. */
  get module(): string {
    return this.threadSet.version.module
  }

  /** The options of the registration. */
  get overrides(): RegistrationOptions {
    return this.threadSet.version.overrides
  }

  /** All its threads, also those that start or leave while a version is replaced. */
  get threads(): QueueServiceThread[] {
    return this.threadSet.all
  }

  get restartCount(): number {
    return this.threadSet.restartCount
  }

  /** Restarts that are left of its budget. */
  get restartBudget(): { maxRestarts: number; periodMs: number; remaining: number } {
    const { supervisor } = this.threadSet
    const { maxRestarts, periodMs } = supervisor?.budget.policy ?? this.options.restart
    return { maxRestarts, periodMs, remaining: supervisor?.budget.remaining ?? maxRestarts }
  }

  protected override facts(): Omit<ServiceStateFacts, 'from'> {
    const { state, desiredState, draining, crashReason, restartCount, restartBudget } = this
    const nextStartAt = this.threadSet.nextStartAt?.toISOString() ?? null
    const reason = crashReason === undefined ? null : eventError(crashReason).message
    return { state, desiredState, draining, reason, nextStartAt, restartCount, restartBudget }
  }

  /** Is it stopping, and still runs methods that were queued before? */
  get draining(): boolean {
    const { phase } = this.phases
    return phase.kind === 'stopping' && phase.draining
  }

  /** Methods that its threads can run at once. */
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

  /** When the oldest of them was queued, in milliseconds of the monotonic clock; infinite if none waits. */
  get oldestWaitingAt(): number {
    return Math.min(this.methodQueue.oldestWaitingAt, ...this.threads.map((thread) => thread.oldestWaitingAt))
  }

  /** Threads that were terminated and have not ended, because they are in native code. */
  get stuck(): number {
    return ServiceWorker.stuckOf(this.name)
  }

  /** Each life of a thread that has not ended. */
  get sessions(): ThreadSession[] {
    return this.threads.flatMap(({ sessions }) => sessions)
  }

  /** The stack of each of its threads. */
  async stacks(): Promise<LiveStack[]> {
    return (await Promise.all(this.threads.map((thread) => thread.stacks()))).flat()
  }

  /**
   * Resolves once the module has described itself. A stopped service accepts casts, so its module is asked for a cast.
   * @throws SERVICE_NOT_RUNNING, DEADLINE_EXCEEDED
   */
  async whenDescribed(kind: QueuedMethod['kind'], timeoutMs: number): Promise<void> {
    const { contract } = this
    if (contract.description !== undefined) return
    if (kind === 'cast' && (this.state === 'stopped' || this.state === 'stopping')) {
      contract.describe(this.options).catch((error: Error) => contract.rejectWaiters(error))
    } else if (!this.#mayRun()) throw this.#notRunning()
    await contract.whenKnown(timeoutMs)
  }

  /**
   * Starts the service if need be, and resolves once it runs: at once, or after its supervisor has tried again. One that
   * other servers run is not waited for.
   * @throws what kept it from running
   */
  async whenRunning(timeoutMs: number, by?: string): Promise<void> {
    const settled = new Deferred<void>()
    const check = () => {
      const { kind } = this.phases.live ?? this.phases.phase
      const isSettled = kind === 'serving' || kind === 'failed' || kind === 'removed'
      // If no start is allowed any more, a service that stops will not run.
      const staysStopped =
        this.desiredState === 'stopped' || !this.isPlacedHere || this.settings.startRefusal() !== undefined
      if (isSettled || staysStopped) settled.resolve()
    }
    this.on('state', check)
    try {
      const started = this.start({ by }).then(check, check)
      const running = Promise.all([started, settled.promise])
      // A wait in the line of starts, its own or that of what it depends on, is not counted.
      for (let waits = 1; !(await resolvesWithin(running, timeoutMs)); waits += 1) {
        if (startLine.length > 0 && waits < MAX_WAITS_IN_LINE) continue
        throw this.error('DEADLINE_EXCEEDED', `it is still ${this.state} after ${waits * timeoutMs} ms`)
      }
    } finally {
      this.off('state', check)
    }
    if (this.phases.live?.kind !== 'serving' && this.isPlacedHere) {
      throw this.crashReason ?? this.error('SERVICE_NOT_RUNNING', `it is ${this.state}`)
    }
  }

  /** Nothing is dispatched until `resume`; casts are still accepted. False if it was paused already. @throws CONFLICT */
  pause(by?: string): boolean {
    this.checkServes('a running service pauses')
    if (this.state === 'paused') return false
    this.methodQueue.paused = true
    for (const thread of this.threadSet.current) thread.recall()
    this.announce(by)
    return true
  }

  /** False if it was running already. @throws CONFLICT */
  resume(by?: string): boolean {
    this.checkServes('a paused service resumes')
    if (this.state === 'running') return false
    this.methodQueue.paused = false
    this.announce(by)
    return true
  }

  /** @param rule which services may do what is asked for. @throws CONFLICT unless it runs or is paused */
  checkServes(rule: 'a running service pauses' | 'a paused service resumes'): void {
    if (this.state !== 'running' && this.state !== 'paused')
      throw this.error('CONFLICT', `${this.name} is ${this.state}: only ${rule}`)
  }

  /** Crashes its threads on purpose; resolves once that is seen, or after a second. @throws CONFLICT */
  async crash(kind: CrashKind, reason: string): Promise<void> {
    const alive = this.threadSet.current.filter((thread) => thread.state === 'running')
    if (alive.length === 0) throw this.error('CONFLICT', `${this.name} is ${this.state}: there is no thread to crash`)
    for (const thread of alive) thread.crashThread(kind, reason)
    if (kind === 'hang') return
    const seen = Promise.all(alive.map((thread) => new Promise((resolve) => thread.once('state', resolve))))
    await resolvesWithin(seen, CRASH_SEEN_WITHIN_MS)
  }

  /**
   * Queues a call. It settles with the result: JSON text, or bytes.
   * @throws METHOD_NOT_FOUND, UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, VALIDATION_FAILED, SERVICE_NOT_RUNNING, QUEUE_FULL
   */
  call(method: string, request: CallRequest): Invocation {
    const { options } = this.contract.method(method)
    try {
      return this.#queueCall(method, request, options)
    } catch (error) {
      this.counter.callRefused(method, error as ThreadplaneError)
      throw error
    }
  }

  #queueCall(
    method: string,
    { payload, text, timeoutMs, traceparent }: CallRequest,
    options: ResolvedMethodOptions,
  ): Invocation {
    const inBytes = payload instanceof BytePayload
    if (!inBytes) this.contract.validate(method, payload)
    else if (payload.isJson) this.contract.checkTakesJson(method)
    else this.contract.checkBytes(method, payload)
    this.checkTakesCalls(method)
    const queued = new QueuedMethod({
      service: this.name,
      method,
      payload: inBytes ? payload : text,
      kind: 'call',
      format: 'body',
      job: { id: uuidv7(), attempt: 1, ...(traceparent !== undefined && { traceparent }) },
      bytes: inBytes ? payload.size : text.length,
      priority: options.priority,
      timeoutMs: options.timeoutMs,
    })
    this.methodQueue.enqueue(queued)
    queued.expireAfter(timeoutMs ?? options.timeoutMs)
    this.counter.callQueued(queued)
    return queued
  }

  /** Does it run methods now, or as soon as the start or restart under way has ended? */
  #mayRun(): boolean {
    const { state } = this
    return state === 'running' || state === 'starting' || state === 'backoff'
  }

  /** @throws SERVICE_NOT_RUNNING */
  checkTakesCalls(method: string): void {
    if (!this.#mayRun()) throw this.#notRunning(method)
  }

  get ready(): boolean {
    return this.state === 'running' && this.described
  }

  get room(): number {
    return this.methodQueue.capacity - this.methodQueue.size
  }

  get described(): boolean {
    return this.contract.description !== undefined
  }

  methodOptions(method: string): ResolvedMethodOptions {
    return this.contract.description?.methods[method]?.options ?? METHOD_DEFAULTS
  }

  checkMethod(method: string): void {
    this.contract.method(method)
  }

  checkPayload(method: string, payload: unknown): void {
    this.contract.validate(method, payload)
  }

  run(attempt: AttemptRequest): QueuedMethod {
    const queued = new QueuedMethod({
      ...attempt,
      service: this.name,
      kind: 'cast',
      format: 'json',
      bytes: attempt.payload.length,
    })
    try {
      this.methodQueue.enqueue(queued)
    } catch (error) {
      queued.fail(error as ThreadplaneError)
    }
    return queued
  }

  #notRunning(method?: string): ThreadplaneError {
    return this.error('SERVICE_NOT_RUNNING', `${this.name} is ${this.state}`, {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
      started: false,
      ...(method !== undefined && { method }),
    })
  }

  /** The process ends now: every method fails at once, also in threads that do not end. */
  abandon(): void {
    this.methodQueue.close(wasStopped)
    for (const thread of this.threads) thread.abandon(new Error('the server ends'))
  }
}
