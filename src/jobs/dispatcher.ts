/**
 * Brings casts from the job store to the threads and their outcomes back: attempts, retries, cancellation.
 * Each attempt has a number, and is on disk as begun before its method is handed on (P3).
 */
import { hasCode, ThreadplaneError } from '../errors.ts'
import { METHOD_DEFAULTS } from '../options.ts'
import { QueuedMethod } from '../service/queued-method.ts'
import type { ServiceLog } from '../service/service.ts'
import type { SupervisedService } from '../supervised-service.ts'
import { isFinished, type Job, type JobError, type JobState, newJob, SERVER_ENDED, toJobError } from './job.ts'
import type { Accepted, AcceptRequest, Idempotency, JobFilter, JobPage, JobStore, Tick } from './job-store.ts'
import { JobWaiters } from './job-waiters.ts'
import { Lane } from './lane.ts'

/** A cast that ends so soon after it was handed on lets the window grow by one. */
const SOON_MS = 100
/** A cast that has not begun by then goes back to the store: a `kill -9` would count an attempt it never had. */
const GIVE_BACK_AFTER_MS = 1_000
/** How often what waits is looked at: for its `ttlMs`, and whether it should wait elsewhere. */
const LOOK_EVERY_MS = 500
/** How long the end of a cancelled job is waited for. */
const CANCELLED_WITHIN_MS = 1_000
/** Jobs taken in one step where all of a service are meant. */
const STEP = 500

export interface CastOptions {
  delayMs?: number
  priority?: number
  maxAttempts?: number
  ttlMs?: number
  traceparent?: string | undefined
  idempotency?: Idempotency | undefined
  tick?: Tick
}

export interface CastRequest {
  method: string
  /** JSON text. */
  payload: string
  options: CastOptions
}

/** One attempt, between being kept and its end. */
interface InFlight {
  /** Not begun after, in milliseconds since the epoch. */
  expiresAt: number
  /** Set once its method is queued. */
  queued?: QueuedMethod
  /** When, in milliseconds of the monotonic clock. */
  handedAt: number
  cancelled: boolean
}

const CANCELLED: JobError = { code: 'JOB_CANCELLED', message: 'the job was cancelled' }

type End = { result: string } | { error: ThreadplaneError }

export class Dispatcher {
  readonly #store: JobStore
  readonly #log: ServiceLog
  readonly #lanes = new Map<string, Lane>()
  readonly #inFlight = new Map<string, InFlight>()
  readonly #waiters = new JobWaiters()
  readonly #looker: NodeJS.Timeout
  #expiring = false

  constructor(store: JobStore, log: ServiceLog) {
    this.#store = store
    this.#log = log
    this.#looker = setInterval(() => this.#lookAround(), LOOK_EVERY_MS).unref()
  }

  /** From now on the service's casts are dispatched whenever it runs. */
  serve(service: SupervisedService): void {
    const lane = new Lane({
      service,
      store: this.#store,
      log: this.#log,
      isInFlight: (id) => this.#inFlight.has(id),
      begin: (lane, job) => this.#begin(lane, job),
    })
    this.#lanes.set(service.name, lane)
    service.once('removed', () => {
      lane.close()
      if (this.#lanes.get(service.name) === lane) this.#lanes.delete(service.name)
    })
  }

  /** Keeps jobs, all in one transaction. Their payloads are validated. @throws JOURNAL_UNAVAILABLE */
  async cast(service: SupervisedService, requests: CastRequest[]): Promise<Accepted[]> {
    const lane = this.#lanes.get(service.name)
    let room = lane !== undefined && lane.caughtUp ? lane.room : 0
    const accepts = requests.map((request): AcceptRequest => {
      const begin = room > 0 && request.options.delayMs === undefined
      if (begin) room -= 1
      return this.#acceptRequest(service, request, begin)
    })
    const begun = accepts.filter(({ begin }) => begin)
    if (lane !== undefined) lane.inFlight += begun.length
    for (const { job } of begun) this.#inFlight.set(job.id, newInFlight(job))
    let accepted: Accepted[]
    try {
      accepted = await this.#store.accept(accepts)
    } catch (error) {
      if (lane !== undefined) for (const { job } of begun) this.#landed(lane, job.id)
      throw error
    }
    for (const [index, { job, begin }] of accepts.entries()) {
      const answer = accepted[index] as Accepted
      if (answer.kind === 'new') service.counts.casts += 1
      if (lane === undefined || !begin) continue
      if (answer.kind === 'new') this.#hand(lane, { ...answer.job, payload: job.payload })
      else this.#landed(lane, job.id)
    }
    if (begun.length < accepts.length) this.#waiting(service.name)
    return accepted.map((answer) => ('job' in answer ? { ...answer, job: this.#view(answer.job) } : answer))
  }

  #acceptRequest(service: SupervisedService, { method, payload, options }: CastRequest, begin: boolean): AcceptRequest {
    const defaults = service.contract.method(method).options
    const createdAt = Date.now()
    const after = (ms: number | undefined) => (ms === undefined ? undefined : createdAt + ms)
    const job = newJob({
      service: service.name,
      method,
      payload,
      maxAttempts: options.maxAttempts ?? defaults.maxAttempts,
      priority: options.priority ?? defaults.priority,
      createdAt,
      notBefore: after(options.delayMs),
      expiresAt: after(options.ttlMs),
      traceparent: options.traceparent,
    })
    const { idempotency, tick } = options
    return { job, begin, ...(idempotency !== undefined && { idempotency }), ...(tick !== undefined && { tick }) }
  }

  /** @throws JOB_NOT_FOUND */
  async get(id: string): Promise<Job> {
    const job = await this.#store.get(id)
    if (job === undefined) throw new ThreadplaneError('JOB_NOT_FOUND', `there is no job ${JSON.stringify(id)}`)
    return this.#view(job)
  }

  /** A page may have fewer than `limit` while there is a next one: what is kept as running may be seen as queued. */
  async list(filter: Omit<JobFilter, 'states'>, state?: JobState): Promise<JobPage> {
    const kept: JobState[] | undefined = state === 'queued' ? ['queued', 'running'] : state && [state]
    const page = await this.#store.list({ ...filter, ...(kept !== undefined && { states: kept }) })
    const items = page.items.map((job) => this.#view(job)).filter((job) => state === undefined || job.state === state)
    return { ...page, items }
  }

  /** An attempt is on disk before its method is handed on; it is seen once it has begun. */
  #view(job: Job): Job {
    const inFlight = this.#inFlight.get(job.id)
    const { queued } = inFlight ?? {}
    if (job.state !== 'running' || inFlight === undefined || queued?.settled || queued?.begun) return job
    const history = job.history.slice(0, -1)
    const startedAt = history.length === 0 ? null : job.startedAt
    return { ...job, state: 'queued', attempts: job.attempts - 1, history, startedAt }
  }

  /** The job, as soon as it is finished, or as it is after `timeoutMs`. @throws JOB_NOT_FOUND, JOURNAL_UNAVAILABLE */
  async wait(id: string, timeoutMs: number, signal?: AbortSignal): Promise<Job> {
    // Before the look: it may finish right after it.
    const wait = this.#waiters.wait(id, timeoutMs, signal)
    try {
      const job = await this.#store.get(id)
      if (job === undefined || isFinished(job)) wait.end()
    } catch (error) {
      wait.end()
      throw error
    }
    await wait.over
    return this.get(id)
  }

  /** One that waits never runs; one that runs is told by its signal. @throws JOB_NOT_FOUND, CONFLICT */
  async cancel(id: string): Promise<Job> {
    const job = await this.get(id)
    if (job.state === 'cancelled') return job
    if (isFinished(job)) throw new ThreadplaneError('CONFLICT', `the job is ${job.state} already`, { jobId: id })
    const inFlight = this.#inFlight.get(id)
    if (inFlight !== undefined) {
      inFlight.cancelled = true
      inFlight.queued?.cancel()
      return this.wait(id, CANCELLED_WITHIN_MS)
    }
    this.#finished(await this.#store.finish(id, job.attempts, { state: 'cancelled', error: CANCELLED }))
    return this.get(id)
  }

  /** Queues a job anew that has failed, expired or been cancelled. @throws JOB_NOT_FOUND, CONFLICT */
  async retry(id: string): Promise<Job> {
    const job = await this.get(id)
    if (!isFinished(job) || job.state === 'succeeded') {
      throw new ThreadplaneError('CONFLICT', `the job is ${job.state}: only one that failed is retried`, { jobId: id })
    }
    const queued = await this.#store.requeue(id)
    this.#waiting(job.service)
    return queued
  }

  /** Queues all failed jobs of a service anew, and says how many those are. */
  async retryFailed(service: string): Promise<number> {
    // One that fails again meanwhile would keep it going without end.
    const failedBy = Date.now()
    let retried = 0
    for (;;) {
      const step = await this.#store.requeueFailed(service, STEP, failedBy)
      retried += step
      this.#waiting(service)
      if (step < STEP) return retried
    }
  }

  /** Forgets a finished job. @throws JOB_NOT_FOUND, CONFLICT */
  async remove(id: string): Promise<void> {
    const job = await this.get(id)
    if (!isFinished(job))
      throw new ThreadplaneError('CONFLICT', `the job is ${job.state}: cancel it first`, { jobId: id })
    await this.#store.remove(id)
  }

  async countUnfinished(service: string): Promise<number> {
    return this.#store.countUnfinished(service)
  }

  /** Cancels all unfinished jobs of a service. @throws CONFLICT if some that run do not end */
  async cancelAll(service: string): Promise<void> {
    for (;;) {
      const ids = await this.#store.cancelWaiting(service, STEP)
      for (const id of ids) this.#waiters.finished(id)
      if (ids.length < STEP) break
    }
    for (let before = Number.POSITIVE_INFINITY; ; ) {
      const ids = await this.#store.unfinished(service, STEP)
      if (ids.length === 0) return
      if (ids.length >= before) {
        throw new ThreadplaneError('CONFLICT', `${ids.length} jobs could not be cancelled yet`, { service })
      }
      before = ids.length
      await Promise.all(ids.map((id) => this.#cancelUnlessFinished(id)))
    }
  }

  async #cancelUnlessFinished(id: string): Promise<void> {
    try {
      await this.cancel(id)
    } catch (error) {
      if (!hasCode(error, 'CONFLICT') && !hasCode(error, 'JOB_NOT_FOUND')) throw error
    }
  }

  /** Nothing more will come of any job: whoever waits for one is answered. */
  close(): void {
    clearInterval(this.#looker)
    this.#waiters.close()
    for (const lane of this.#lanes.values()) lane.close()
    this.#lanes.clear()
  }

  #waiting(service: string): void {
    this.#lanes.get(service)?.waiting()
  }

  async #begin(lane: Lane, waiting: Job): Promise<void> {
    this.#inFlight.set(waiting.id, newInFlight(waiting))
    lane.inFlight += 1
    try {
      const job = await this.#store.begin(waiting.id)
      if (job === undefined) this.#landed(lane, waiting.id)
      else this.#hand(lane, { ...job, payload: waiting.payload })
    } catch (error) {
      this.#landed(lane, waiting.id)
      throw error
    }
  }

  #landed(lane: Lane, id: string): void {
    this.#inFlight.delete(id)
    lane.inFlight -= 1
  }

  /** Queues the method of an attempt that is on disk. */
  #hand(lane: Lane, job: Job): void {
    const inFlight = this.#inFlight.get(job.id) as InFlight
    try {
      const queued = this.#queue(lane.service, job, inFlight.cancelled)
      inFlight.queued = queued
      inFlight.handedAt = performance.now()
      const soon = () => performance.now() - inFlight.handedAt < SOON_MS
      queued.promise.then(
        (result) => {
          if (soon()) lane.widen()
          return this.#ended(lane, job, { result: result as string })
        },
        (error: ThreadplaneError) => {
          // A handler that throws has ended as well; a thread that dies, or a time that passes, is another matter.
          if (hasCode(error, 'METHOD_FAILED') && soon()) lane.widen()
          return this.#ended(lane, job, { error })
        },
      )
    } catch (error) {
      void this.#ended(lane, job, { error: error as ThreadplaneError })
    }
  }

  #queue(service: SupervisedService, job: Job, cancelled: boolean): QueuedMethod {
    const { timeoutMs } = service.contract.method(job.method).options
    const { id, attempts } = job
    const queued = new QueuedMethod({
      service: service.name,
      method: job.method,
      payload: job.payload,
      kind: 'cast',
      format: 'json',
      job: { id, attempt: attempts, ...(job.traceparent !== null && { traceparent: job.traceparent }) },
      bytes: job.payload.length,
      priority: job.priority,
      timeoutMs,
      alone: isSuspect(job),
      onProgress: (fraction, note) =>
        this.#store.progress(id, attempts, { fraction, ...(note !== undefined && { note }) }),
    })
    if (cancelled) queued.cancel()
    else service.methodQueue.enqueue(queued)
    return queued
  }

  async #ended(lane: Lane, job: Job, end: End): Promise<void> {
    const inFlight = this.#inFlight.get(job.id) as InFlight
    try {
      const waiting = await this.#record(lane, job, end, inFlight)
      // Cancelled while it was written that it waits again. From here it has landed in the same turn, or is cancelled.
      if (waiting !== undefined && inFlight.cancelled) {
        const outcome = { state: 'cancelled', error: CANCELLED } as const
        this.#finished(await this.#store.finish(job.id, waiting.attempts, outcome))
      }
    } catch (error) {
      this.#log.error({ err: error, jobId: job.id }, 'the outcome of a job could not be kept')
    } finally {
      this.#landed(lane, job.id)
      lane.pump()
    }
  }

  /** Keeps the outcome of an attempt. If the job waits again: the attempts it has had. */
  async #record(
    { service }: Lane,
    { id, attempts, maxAttempts, method }: Job,
    end: End,
    { queued }: InFlight,
  ): Promise<{ attempts: number } | undefined> {
    if ('result' in end) {
      service.counts.succeeded += 1
      this.#finished(await this.#store.finish(id, attempts, { state: 'succeeded', result: end.result }))
      return
    }
    const { error } = end
    // It never began: the service stopped, or its queue was full.
    if (hasCode(error, 'SERVICE_NOT_RUNNING') || hasCode(error, 'QUEUE_FULL')) {
      await this.#store.release(id, attempts)
      this.#waiting(service.name)
      return { attempts: attempts - 1 }
    }
    const jobError = toJobError(error)
    if (error.code === 'JOB_CANCELLED' || error.code === 'JOB_EXPIRED') {
      const state = error.code === 'JOB_CANCELLED' ? 'cancelled' : 'expired'
      const { started = false } = error.facts
      if (!started) await this.#store.release(id, attempts)
      this.#finished(await this.#store.finish(id, started ? attempts : attempts - 1, { state, error: jobError }))
      return
    }
    // Of several that ran in a thread that died, each may be innocent: none is failed for it before it has run alone.
    if (error.retryable && (attempts < maxAttempts || queued?.diedInCompany)) {
      // New code may no longer have it: then the next attempt fails with that.
      const { backoffMs, backoffMaxMs } = service.contract.description?.methods[method]?.options ?? METHOD_DEFAULTS
      // Half of it is jitter, so that what failed together does not come back together.
      const delayMs = Math.min(backoffMs * 2 ** (attempts - 1), backoffMaxMs) * (0.5 + Math.random() / 2)
      service.counts.retried += 1
      await this.#store.retry(id, attempts, jobError, new Date(Date.now() + delayMs))
      this.#waiting(service.name)
      return { attempts }
    }
    service.counts.failed += 1
    this.#log.error({ err: error, service: service.name, method, jobId: id, attempts }, 'a cast failed')
    this.#finished(await this.#store.finish(id, attempts, { state: 'failed', error: jobError }))
    return
  }

  #lookAround(): void {
    const now = Date.now()
    for (const { queued, expiresAt } of this.#inFlight.values()) {
      if (now >= expiresAt && queued?.begun === false)
        queued.abort('JOB_EXPIRED', 'its ttlMs passed before it could run')
    }
    this.#giveBack()
    void this.#expire()
  }

  /** Ends what has waited too long in the store, a step a transaction. Many at once take longer than a look around. */
  async #expire(): Promise<void> {
    if (this.#expiring) return
    this.#expiring = true
    try {
      for (let jobs = await this.#store.expire(); jobs.length > 0; jobs = await this.#store.expire()) {
        for (const job of jobs) this.#finished(job)
      }
    } catch (error) {
      if (!hasCode(error, 'JOURNAL_UNAVAILABLE')) this.#log.error({ err: error }, 'jobs could not be expired')
    } finally {
      this.#expiring = false
    }
  }

  /** What waits in a thread behind methods that take their time waits on disk instead, with no attempt counted. */
  #giveBack(): void {
    const since = performance.now() - GIVE_BACK_AFTER_MS
    for (const { queued, handedAt } of this.#inFlight.values()) {
      if (queued === undefined || queued.settled || queued.begun || queued.isNext || handedAt > since) continue
      this.#lanes.get(queued.service)?.narrow()
      queued.abort('SERVICE_NOT_RUNNING', 'its turn has not come')
    }
  }

  #finished(job: Job | undefined): void {
    if (job !== undefined) this.#waiters.finished(job.id)
  }
}

/**
 * Did the attempt before this one end with its thread? Then this one is to harm nobody, and nobody it. The end of the
 * server tells nothing of a job: one at a time, what ran then would hold up all the others after every restart.
 */
function isSuspect({ history }: Job): boolean {
  const error = history.at(-2)?.error
  return error?.code === 'THREAD_DIED' && error.message !== SERVER_ENDED.message
}

function newInFlight({ expiresAt }: Job): InFlight {
  return {
    cancelled: false,
    handedAt: Number.POSITIVE_INFINITY,
    expiresAt: expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(expiresAt),
  }
}
