/**
 * Attempts in flight: the store has begun them, and has not recorded their end yet. Each is handed to the queue of its
 * service; when its method settles, the store is told how it ended (P3).
 */
import type { ServiceLog } from '../contract/log.ts'
import type { Traces, WorkSpan } from '../contract/traces.ts'
import { timeOfUuidv7 } from '../contract/uuidv7.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import type { QueuedMethod } from '../queue/queued-method.ts'
import { type Job, type JobError, SERVER_ENDED, toJobError } from './job.ts'
import type { JobStore, OpenAttempt } from './job-store.ts'
import { isSuspect } from './suspect.ts'
import type { CastFeed } from './cast-feed.ts'
import type { JobEvents } from './job-events.ts'
import { type EndOfJob, isRefusal } from './job-target.ts'

/** A cast that ends within this time lets the window of its feed grow by one. */
const SOON_MS = 100
/** A cast that does not begin within this time is released to the store: `kill -9` would count an attempt that never ran. */
const RELEASE_AFTER_MS = 1_000
/** Limits the exponent of the backoff: 2 ** 40 ms is far above any `backoffMaxMs`, and no number overflows. */
const MAX_DOUBLINGS = 40

export interface AttemptsSettings {
  store: JobStore
  log: ServiceLog
  events: JobEvents
  /** Called when a job has finished. */
  onFinished: (id: string) => void
  /** Called when a job of a service waits in the store again. */
  onWaiting: (service: string) => void
  /** What an attempt has logged last, as lines of JSON. */
  logOf: AttemptLog
  traces: Traces | undefined
  /** Cancels a job, whatever its state is by now. */
  cancel: (id: string) => Promise<void>
}

/** The last log lines of an attempt, as lines of JSON; '' if there are none. */
export type AttemptLog = (service: string, jobId: string, attempt: number) => string

interface InFlight {
  feed: CastFeed
  attempt: OpenAttempt
  queued: QueuedMethod
  span: WorkSpan | undefined
  /** When it was handed to the queue, in milliseconds of the monotonic clock. */
  handedAt: number
  cancelled: boolean
  /** Were clients told that it has begun? */
  isToldBegun: boolean
}

export class Attempts {
  readonly #settings: AttemptsSettings
  /** Id of a job → its latest attempt in flight. */
  readonly #inFlight = new Map<string, InFlight>()
  /** Id of a job that is being cancelled → how many callers cancel it. */
  readonly #cancelling = new Map<string, number>()

  constructor(settings: AttemptsSettings) {
    this.#settings = settings
  }

  /** Hands an attempt that the store has begun to the queue of its service. */
  hand(feed: CastFeed, attempt: OpenAttempt): void {
    const { id } = attempt
    // The store may begin the next attempt of a job before its answer about the previous one has arrived here.
    const cancelled = this.#inFlight.get(id)?.cancelled || this.#cancelling.has(id)
    const span = this.#spanOf(feed, attempt)
    const queued = this.#run(feed, attempt, span?.traceparent ?? attempt.traceparent)
    const handedAt = performance.now()
    const inFlight: InFlight = { feed, attempt, queued, span, handedAt, cancelled, isToldBegun: false }
    this.#inFlight.set(id, inFlight)
    feed.handed(attempt.payload.length)
    queued.whenSettled((error, result) => void this.#ended(inFlight, error, result as string))
    if (cancelled) queued.cancel()
  }

  #spanOf({ target }: CastFeed, { id, number, method, traceparent: cast }: OpenAttempt): WorkSpan | undefined {
    return this.#settings.traces?.attempt({ service: target.name, method, id, number, castAt: timeOfUuidv7(id), cast })
  }

  #endSpan({ queued, span }: InFlight, error: ThreadplaneError | undefined): void {
    this.#settings.traces?.settled(queued, error)
    span?.end(error)
  }

  #run({ target }: CastFeed, attempt: OpenAttempt, traceparent: string | null): QueuedMethod {
    const { id, number, method, payload, priority } = attempt
    const { store, events } = this.#settings
    return target.run({
      method,
      payload,
      job: { id, attempt: number, ...(traceparent !== null && { traceparent }) },
      priority,
      timeoutMs: target.methodOptions(method).timeoutMs,
      exclusive: isSuspect(attempt),
      onProgress: (fraction, note) => {
        const progress = { fraction, ...(note !== undefined && { note }) }
        store.progress(id, number, progress)
        const inFlight = this.#inFlight.get(id)
        if (inFlight !== undefined) this.#tellBegun(inFlight)
        events.progress(target.name, attempt, progress)
      },
    })
  }

  /** A job as clients see it: an attempt that has not begun in a thread does not count yet. */
  view(job: Job): Job {
    const inFlight = this.#inFlight.get(job.id)
    if (job.state !== 'running' || inFlight?.attempt.number !== job.attempts) return job
    if (!waits(inFlight)) return job
    const history = job.history.slice(0, -1)
    const startedAt = history.length === 0 ? null : job.startedAt
    return { ...job, state: 'queued', attempts: job.attempts - 1, history, startedAt }
  }

  /** Attempts whose jobs are `running` in the store, and which have not begun in a thread. */
  *notBegun(): Generator<{ service: string; method: string; handedAt: number }> {
    for (const inFlight of this.#inFlight.values()) {
      const { feed, attempt, handedAt } = inFlight
      if (waits(inFlight)) yield { service: feed.target.name, method: attempt.method, handedAt }
    }
  }

  /** Does a job that is `running` in the store wait for its turn in a thread? */
  isWaiting(id: string): boolean {
    const inFlight = this.#inFlight.get(id)
    return inFlight !== undefined && waits(inFlight)
  }

  /** Has a job an attempt in flight here? */
  has(id: string): boolean {
    return this.#inFlight.has(id)
  }

  /** Aborts every attempt: the store has given them up, as if this server had ended. */
  lose(): void {
    for (const { queued } of this.#inFlight.values()) queued.abort('THREAD_DIED', SERVER_ENDED.message)
  }

  /** Cancels the attempt of a job. False if it has none in flight. */
  cancel(id: string): boolean {
    const inFlight = this.#inFlight.get(id)
    if (inFlight === undefined) return false
    inFlight.cancelled = true
    inFlight.queued.cancel()
    return true
  }

  /**
   * Until `done` settles, cancels each attempt of the job as soon as it is handed over. The store may have begun one
   * whose answer is still under way: nothing else could cancel that.
   */
  async cancelUntil<T>(id: string, done: () => Promise<T>): Promise<T> {
    this.#cancelling.set(id, (this.#cancelling.get(id) ?? 0) + 1)
    try {
      return await done()
    } finally {
      const others = (this.#cancelling.get(id) ?? 1) - 1
      if (others === 0) this.#cancelling.delete(id)
      else this.#cancelling.set(id, others)
    }
  }

  async #ended(inFlight: InFlight, error: ThreadplaneError | undefined, result: string): Promise<void> {
    const { feed, attempt } = inFlight
    const { id } = attempt
    const { store, log, onWaiting } = this.#settings
    this.#tellBegun(inFlight)
    feed.target.counter.attempted(inFlight.queued, error)
    if (error === undefined || !isRefusal(error)) this.#endSpan(inFlight, error)
    // The method ran to its end, also where it threw. Any other error, such as a death of the thread, does not say so.
    const hasRun = error === undefined || error.code === 'METHOD_FAILED' || error.code === 'METHOD_REFUSED'
    if (error?.code === 'QUEUE_FULL') feed.hold()
    if (hasRun && performance.now() - inFlight.handedAt < SOON_MS) feed.widen()
    let waits = false
    try {
      if (error === undefined) {
        feed.target.counter.count('succeeded', attempt.method)
        if (await store.finish(id, attempt.number, { state: 'succeeded', result }))
          this.#finished(inFlight, 'succeeded')
      } else waits = await this.#recordFailure(inFlight, error)
    } catch (error) {
      log.error({ err: error, jobId: id }, 'the outcome of a job could not be stored')
    } finally {
      if (this.#inFlight.get(id) === inFlight) this.#inFlight.delete(id)
      feed.ended(attempt.payload.length)
      // In the same turn as the deletion: whatever attempt comes next, one of the two cancels it.
      if (waits && inFlight.cancelled) void this.#cancelWaiting(id)
      if (waits) onWaiting(feed.target.name)
      feed.pump()
    }
  }

  #finished({ feed: { target }, attempt }: InFlight, state: EndOfJob, error?: JobError): void {
    target.counter.finished(attempt, state)
    this.#settings.events.ended(target.name, attempt, state, error)
    this.#settings.onFinished(attempt.id)
  }

  /** The job was cancelled while the store was told that it waits again. */
  async #cancelWaiting(id: string): Promise<void> {
    try {
      await this.#settings.cancel(id)
    } catch (error) {
      this.#settings.log.error({ err: error, jobId: id }, 'a job could not be cancelled')
    }
  }

  /** Tells the store how a failed attempt ended. True if the job waits for another attempt. */
  async #recordFailure(inFlight: InFlight, error: ThreadplaneError): Promise<boolean> {
    const { store, log } = this.#settings
    const {
      feed: { target },
      attempt,
      queued,
    } = inFlight
    const { id, number, maxAttempts, method } = attempt
    const { started: begun = false } = error.facts
    if (isRefusal(error)) return store.release(id, number)
    const jobError = toJobError(error)
    if (error.code === 'JOB_CANCELLED' || error.code === 'JOB_EXPIRED') {
      const state = error.code === 'JOB_CANCELLED' ? 'cancelled' : 'expired'
      if (await store.withdraw(id, number, { state, error: jobError, begun })) this.#finished(inFlight, state, jobError)
      return false
    }
    const attemptLog = this.#settings.logOf(target.name, id, number)
    // Of several attempts in a thread that died, any may be innocent: no job fails for that before it has run alone.
    if (error.retryable && (number < maxAttempts || queued.diedInCompany)) {
      const { backoffMs, backoffMaxMs } = target.methodOptions(method)
      // Half of the delay is random, so that jobs that failed together do not return together.
      const delayMs =
        Math.min(backoffMs * 2 ** Math.min(number - 1, MAX_DOUBLINGS), backoffMaxMs) * (0.5 + Math.random() / 2)
      target.counter.count('retried', method)
      const waits = await store.retry(id, number, jobError, new Date(Date.now() + delayMs), attemptLog)
      if (waits) this.#settings.events.ended(target.name, attempt, 'scheduled', jobError)
      return waits
    }
    target.counter.count('failed', method)
    log.error({ err: error, service: target.name, method, jobId: id, attempts: number }, 'a cast failed')
    if (await store.finish(id, number, { state: 'failed', error: jobError, log: attemptLog }))
      this.#finished(inFlight, 'failed', jobError)
    return false
  }

  /** Tells of attempts that have begun since the last time. No message says so: their slots in shared memory do. */
  tellBegun(): void {
    if (!this.#settings.events.areFollowed) return
    for (const inFlight of this.#inFlight.values()) this.#tellBegun(inFlight)
  }

  #tellBegun(inFlight: InFlight): void {
    const { feed, attempt, queued } = inFlight
    if (inFlight.isToldBegun || !(queued.begun || queued.begunAt !== undefined) || !this.#settings.events.areFollowed)
      return
    inFlight.isToldBegun = true
    this.#settings.events.started(feed.target.name, attempt)
  }

  /** Expires attempts that have not begun in a thread and whose `ttlMs` has passed. */
  expire(): void {
    const now = Date.now()
    for (const { queued, attempt } of this.#inFlight.values()) {
      if (attempt.expiresAt !== null && now >= attempt.expiresAt)
        queued.abortUnlessBegun('JOB_EXPIRED', 'its ttlMs passed before it could run')
    }
  }

  /** Releases all attempts that have not begun in a thread: other servers run them. */
  releaseWaiting(): void {
    for (const { queued } of this.#inFlight.values())
      queued.abortUnlessBegun('SERVICE_NOT_RUNNING', 'this server takes no new work')
  }

  /** Releases attempts that wait in a thread behind long methods: they wait in the store, with no attempt counted. */
  releaseLate(): void {
    const since = performance.now() - RELEASE_AFTER_MS
    const seen = new Map<CastFeed, number>()
    for (const { feed, queued, handedAt } of this.#inFlight.values()) {
      const before = seen.get(feed) ?? 0
      seen.set(feed, before + 1)
      // The oldest stay: behind a steady stream of calls, released casts would never run.
      if (before < feed.target.concurrency || queued.isNext || handedAt > since || queued.begun) continue
      feed.narrow()
      queued.abortUnlessBegun('SERVICE_NOT_RUNNING', 'it did not begin within a second')
    }
  }
}

function waits({ queued }: InFlight): boolean {
  return !queued.settled && !queued.begun
}
