/**
 * Attempts between being on disk as begun and their end: each is handed to its service's queue, and what becomes of it
 * is recorded (P3).
 */
import type { ServiceLog } from '../contract/log.ts'
import { hasCode, ThreadplaneError } from '../contract/errors.ts'
import type { QueuedMethod } from '../queue/queued-method.ts'
import { CANCELLED, type Job, SERVER_ENDED, toJobError } from './job.ts'
import type { JobStore, OpenAttempt } from './job-store.ts'
import type { Lane } from './lane.ts'

/** A cast that ends so soon after it was handed on lets the window grow by one. */
const SOON_MS = 100
/** A cast that has not begun by then goes back to the store: a `kill -9` would count an attempt it never had. */
const GIVE_BACK_AFTER_MS = 1_000
/** Of a backoff: far beyond any `backoffMaxMs`, and far from infinity. */
const MAX_DOUBLINGS = 40

export interface AttemptsSettings {
  store: JobStore
  log: ServiceLog
  /** A job has its outcome. */
  onFinished: (id: string) => void
  /** A job waits again. */
  onWaiting: (service: string) => void
  /** Cancels a job, whatever it is doing by now. */
  cancel: (id: string) => Promise<void>
}

interface InFlight {
  lane: Lane
  attempt: OpenAttempt
  queued: QueuedMethod
  /** When, in milliseconds of the monotonic clock. */
  handedAt: number
  cancelled: boolean
}

export class Attempts {
  readonly #settings: AttemptsSettings
  /** By the id of their job: the last one of each. */
  readonly #inFlight = new Map<string, InFlight>()

  constructor(settings: AttemptsSettings) {
    this.#settings = settings
  }

  /** Queues the method of an attempt that is on disk. */
  hand(lane: Lane, attempt: OpenAttempt): void {
    const { id } = attempt
    // The store may have handed it out anew before it was heard here that the attempt before has ended there.
    const cancelled = this.#inFlight.get(id)?.cancelled ?? false
    const queued = this.#run(lane, attempt)
    const inFlight: InFlight = { lane, attempt, queued, handedAt: performance.now(), cancelled }
    this.#inFlight.set(id, inFlight)
    lane.inFlight += 1
    lane.bytes += attempt.payload.length
    queued.whenSettled((error, result) => void this.#ended(inFlight, error, result as string))
    if (cancelled) queued.cancel()
  }

  #run({ target }: Lane, attempt: OpenAttempt): QueuedMethod {
    const { id, number, method, payload, priority, traceparent } = attempt
    const { store } = this.#settings
    return target.run({
      method,
      payload,
      job: { id, attempt: number, ...(traceparent !== null && { traceparent }) },
      priority,
      timeoutMs: target.methodOptions(method).timeoutMs,
      exclusive: isSuspect(attempt),
      onProgress: (fraction, note) => store.progress(id, number, { fraction, ...(note !== undefined && { note }) }),
    })
  }

  /** An attempt is seen once it has begun in its thread. */
  view(job: Job): Job {
    const queued = this.#inFlight.get(job.id)?.queued
    if (job.state !== 'running' || queued === undefined || queued.settled || queued.begun) return job
    const history = job.history.slice(0, -1)
    const startedAt = history.length === 0 ? null : job.startedAt
    return { ...job, state: 'queued', attempts: job.attempts - 1, history, startedAt }
  }

  /** True if there was one of that job, and it is told. */
  cancel(id: string): boolean {
    const inFlight = this.#inFlight.get(id)
    if (inFlight === undefined) return false
    inFlight.cancelled = true
    inFlight.queued.cancel()
    return true
  }

  async #ended(inFlight: InFlight, error: ThreadplaneError | undefined, result: string): Promise<void> {
    const { lane, attempt } = inFlight
    const { id } = attempt
    const { store, log, onFinished, onWaiting } = this.#settings
    // A handler that throws has ended as well; a thread that dies, or a time that passes, is another matter.
    const hasRun = error === undefined || error.code === 'METHOD_FAILED'
    if (error?.code === 'QUEUE_FULL') lane.hold()
    if (hasRun && performance.now() - inFlight.handedAt < SOON_MS) lane.widen()
    let waits = false
    try {
      if (error === undefined) {
        lane.target.count('succeeded')
        if (await store.finish(id, attempt.number, { state: 'succeeded', result })) onFinished(id)
      } else {
        const attempts = await this.#recordFailure(inFlight, error)
        waits = attempts !== undefined
        if (attempts !== undefined && inFlight.cancelled) await this.#cancelWaiting(id, attempts)
      }
    } catch (error) {
      log.error({ err: error, jobId: id }, 'the outcome of a job could not be kept')
    } finally {
      if (this.#inFlight.get(id) === inFlight) this.#inFlight.delete(id)
      lane.inFlight -= 1
      lane.bytes -= attempt.payload.length
      if (waits) onWaiting(lane.target.name)
      lane.pump()
    }
  }

  /** It was cancelled while it was written that it waits again. */
  async #cancelWaiting(id: string, attempts: number): Promise<void> {
    const { store, onFinished, cancel } = this.#settings
    if (await store.finish(id, attempts, { state: 'cancelled', error: CANCELLED })) onFinished(id)
    // Its next attempt has begun meanwhile, and is in the map as soon as the store answers anything else.
    else await cancel(id)
  }

  /** Keeps how an attempt has ended. If the job waits again: the attempts it has had. */
  async #recordFailure(
    { lane: { target }, attempt, queued }: InFlight,
    error: ThreadplaneError,
  ): Promise<number | undefined> {
    const { store, log, onFinished } = this.#settings
    const { id, number, maxAttempts, method } = attempt
    // It never began: the service stopped, or its queue was full.
    if (!error.facts.started && (hasCode(error, 'SERVICE_NOT_RUNNING') || hasCode(error, 'QUEUE_FULL'))) {
      await store.release(id, number)
      return number - 1
    }
    const jobError = toJobError(error)
    if (error.code === 'JOB_CANCELLED' || error.code === 'JOB_EXPIRED') {
      const state = error.code === 'JOB_CANCELLED' ? 'cancelled' : 'expired'
      const { started = false } = error.facts
      // Told together, they are written together: nobody takes it in between.
      const released = started || store.release(id, number)
      const finished = store.finish(id, started ? number : number - 1, { state, error: jobError })
      await Promise.all([released, finished])
      onFinished(id)
      return undefined
    }
    // Of several that ran in a thread that died, each may be innocent: none is failed for it before it has run alone.
    if (error.retryable && (number < maxAttempts || queued.diedInCompany)) {
      const { backoffMs, backoffMaxMs } = target.methodOptions(method)
      // Half of it is jitter, so that what failed together does not come back together.
      const delayMs =
        Math.min(backoffMs * 2 ** Math.min(number - 1, MAX_DOUBLINGS), backoffMaxMs) * (0.5 + Math.random() / 2)
      target.count('retried')
      await store.retry(id, number, jobError, new Date(Date.now() + delayMs))
      return number
    }
    target.count('failed')
    log.error({ err: error, service: target.name, method, jobId: id, attempts: number }, 'a cast failed')
    if (await store.finish(id, number, { state: 'failed', error: jobError })) onFinished(id)
    return undefined
  }

  /** Those that have waited past their `ttlMs` expire. */
  expire(): void {
    const now = Date.now()
    for (const { queued, attempt } of this.#inFlight.values()) {
      if (attempt.expiresAt !== null && now >= attempt.expiresAt)
        queued.abortUnlessBegun('JOB_EXPIRED', 'its ttlMs passed before it could run')
    }
  }

  /** What waits in a thread behind methods that take their time waits on disk instead, with no attempt counted. */
  giveBack(): void {
    const since = performance.now() - GIVE_BACK_AFTER_MS
    const seen = new Map<Lane, number>()
    for (const { lane, queued, handedAt } of this.#inFlight.values()) {
      const before = seen.get(lane) ?? 0
      seen.set(lane, before + 1)
      // The oldest keep their place, or they would never have their turn behind a line of calls.
      if (before < lane.target.concurrency || queued.isNext || handedAt > since || queued.begun) continue
      lane.narrow()
      queued.abortUnlessBegun('SERVICE_NOT_RUNNING', 'its turn has not come')
    }
  }
}

/**
 * Did the attempt before this one end with its thread? Then this one is to harm nobody, and nobody it. The end of the
 * server tells nothing of a job: one at a time, what ran then would hold up all the others after every restart.
 */
function isSuspect({ lastError }: OpenAttempt): boolean {
  return lastError?.code === 'THREAD_DIED' && lastError.message !== SERVER_ENDED.message
}
