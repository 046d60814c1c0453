/**
 * Brings casts from the job store to the threads and their outcomes back: attempts, retries, cancellation.
 * Each attempt has a number, and is kept as begun before its method is handed on (P3).
 */
import { v7 as uuidv7 } from 'uuid'
import { setTimeout as sleep } from 'node:timers/promises'
import { hasCode, ThreadplaneError } from '../errors.ts'
import type { ServiceLog } from '../service/service.ts'
import { QueuedMethod } from '../service/queued-method.ts'
import type { SupervisedService } from '../supervised-service.ts'
import { isFinished, type Job, toJobError } from './job.ts'
import type { JobFilter, JobPage, JobStore } from './job-store.ts'

/** Of the casts in a service's queue; a longer backlog stays in the store. */
const WINDOW = 256
/** How often waiting jobs are looked at for their `ttlMs`. */
const EXPIRE_EVERY_MS = 500
/** Clients that may wait for jobs at a time. */
const MAX_WAITERS = 10_000
const MAX_TIMER_MS = 60_000
/** How soon a queue full of calls is looked at again for room. */
const LOOK_AGAIN_MS = 50

export interface CastOptions {
  delayMs?: number
  priority?: number
  maxAttempts?: number
  ttlMs?: number
  traceparent?: string | undefined
}

/** One attempt, between being kept and its end. */
interface InFlight {
  /** Set once its method is queued. */
  queued?: QueuedMethod
  cancelled: boolean
  /** Not begun after, in milliseconds since the epoch. */
  expiresAt: number
}

/** What the dispatcher is doing for one service. */
interface Lane {
  service: SupervisedService
  inFlight: number
  pumping: boolean
  /** Something changed while it was pumping. */
  again: boolean
  timer: NodeJS.Timeout | undefined
}

export class Dispatcher {
  readonly #store: JobStore
  readonly #log: ServiceLog
  readonly #lanes = new Map<string, Lane>()
  readonly #inFlight = new Map<string, InFlight>()
  readonly #waiters = new Map<string, Set<() => void>>()
  readonly #expirer: NodeJS.Timeout
  #waiterCount = 0
  #closed = false

  constructor(store: JobStore, log: ServiceLog) {
    this.#store = store
    this.#log = log
    this.#expirer = setInterval(() => void this.#expire(), EXPIRE_EVERY_MS).unref()
  }

  /** From now on the service's casts are dispatched whenever it runs. */
  serve(service: SupervisedService): void {
    const lane: Lane = { service, inFlight: 0, pumping: false, again: false, timer: undefined }
    this.#lanes.set(service.name, lane)
    const pump = () => this.#pump(lane)
    service.on('state', pump)
    service.on('described', pump)
    service.once('removed', () => {
      service.off('state', pump)
      service.off('described', pump)
      clearTimeout(lane.timer)
      if (this.#lanes.get(service.name) === lane) this.#lanes.delete(service.name)
    })
    pump()
  }

  /** Keeps a job and returns it. The payload is validated. @throws JOURNAL_UNAVAILABLE */
  async cast(service: SupervisedService, method: string, payload: unknown, options: CastOptions): Promise<Job> {
    const defaults = service.method(method).options
    const now = Date.now()
    const at = (ms: number | undefined) => (ms === undefined ? null : new Date(now + ms).toISOString())
    const job = await this.#store.accept({
      id: uuidv7(),
      service: service.name,
      method,
      payload,
      state: 'queued',
      attempts: 0,
      history: [],
      maxAttempts: options.maxAttempts ?? defaults.maxAttempts,
      priority: options.priority ?? defaults.priority,
      progress: null,
      createdAt: new Date(now).toISOString(),
      startedAt: null,
      finishedAt: null,
      notBefore: at(options.delayMs),
      expiresAt: at(options.ttlMs),
      result: null,
      error: null,
      traceparent: options.traceparent ?? null,
    })
    service.counts.casts += 1
    this.#pumpService(service.name)
    return job
  }

  /** @throws JOB_NOT_FOUND */
  async get(id: string): Promise<Job> {
    const job = await this.#store.get(id)
    if (job === undefined) throw new ThreadplaneError('JOB_NOT_FOUND', `there is no job ${JSON.stringify(id)}`)
    return this.#view(job)
  }

  async list(filter: JobFilter): Promise<JobPage> {
    const page = await this.#store.list(filter)
    return { ...page, items: page.items.map((job) => this.#view(job)) }
  }

  /** An attempt is kept before its method is handed on; it is seen once it has begun. */
  #view(job: Job): Job {
    const queued = this.#inFlight.get(job.id)?.queued
    if (job.state !== 'running' || queued === undefined || queued.settled || queued.begun) return job
    const history = job.history.slice(0, -1)
    const startedAt = history.length === 0 ? null : job.startedAt
    return { ...job, state: 'queued', attempts: job.attempts - 1, history, startedAt }
  }

  /** The job, as soon as it is finished, or as it is after `timeoutMs`. */
  async wait(id: string, timeoutMs: number, signal?: AbortSignal): Promise<Job> {
    const job = await this.get(id)
    if (isFinished(job) || this.#closed || this.#waiterCount >= MAX_WAITERS) return job
    const waiters = this.#waiters.get(id) ?? new Set()
    this.#waiters.set(id, waiters)
    const enough = new AbortController()
    const done = () => enough.abort()
    waiters.add(done)
    this.#waiterCount += 1
    signal?.addEventListener('abort', done, { once: true })
    await sleep(timeoutMs, undefined, { signal: enough.signal }).catch(() => {})
    signal?.removeEventListener('abort', done)
    waiters.delete(done)
    if (waiters.size === 0) this.#waiters.delete(id)
    this.#waiterCount -= 1
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
      return this.wait(id, 1_000)
    }
    const error = { code: 'JOB_CANCELLED', message: 'the job was cancelled' }
    this.#finished(await this.#store.finish(id, job.attempts, { state: 'cancelled', error }))
    return this.get(id)
  }

  /** All unfinished jobs of a service at once, so that the end of one is not the turn of another. */
  async cancelAll(service: string): Promise<void> {
    const ids = await this.#store.unfinished(service)
    await Promise.all(
      ids.map((id) =>
        this.cancel(id).catch((error: unknown) => {
          // It finished meanwhile.
          if (!hasCode(error, 'CONFLICT') && !hasCode(error, 'JOB_NOT_FOUND')) throw error
        }),
      ),
    )
  }

  /** Queues a job anew that has failed, expired or been cancelled. @throws JOB_NOT_FOUND, CONFLICT */
  async retry(id: string): Promise<Job> {
    const job = await this.get(id)
    if (!isFinished(job) || job.state === 'succeeded') {
      throw new ThreadplaneError('CONFLICT', `the job is ${job.state}: only one that failed is retried`, { jobId: id })
    }
    const queued = await this.#store.requeue(id)
    this.#pumpService(job.service)
    return queued
  }

  /** Forgets a finished job. @throws JOB_NOT_FOUND, CONFLICT */
  async remove(id: string): Promise<void> {
    const job = await this.get(id)
    if (!isFinished(job))
      throw new ThreadplaneError('CONFLICT', `the job is ${job.state}: cancel it first`, { jobId: id })
    await this.#store.remove(id)
  }

  async unfinished(service: string): Promise<string[]> {
    return this.#store.unfinished(service)
  }

  /** Nothing more will come of any job: whoever waits for one is answered. */
  close(): void {
    this.#closed = true
    clearInterval(this.#expirer)
    for (const { timer } of this.#lanes.values()) clearTimeout(timer)
    for (const waiters of this.#waiters.values()) for (const done of waiters) done()
  }

  #pumpService(name: string): void {
    const lane = this.#lanes.get(name)
    if (lane !== undefined) this.#pump(lane)
  }

  /** Fills the service's window from the store. One round at a time; what comes meanwhile starts another. */
  #pump(lane: Lane): void {
    if (!lane.service.takesCasts || this.#lanes.get(lane.service.name) !== lane) return
    if (lane.pumping) {
      lane.again = true
      return
    }
    lane.pumping = true
    this.#fill(lane)
      .catch((error: unknown) => {
        this.#log.error({ err: error, service: lane.service.name }, 'casts could not be dispatched')
      })
      .finally(() => {
        lane.pumping = false
        if (!lane.again) return
        lane.again = false
        this.#pump(lane)
      })
  }

  async #fill(lane: Lane): Promise<void> {
    const { name, methodQueue } = lane.service
    const room = Math.min(WINDOW - lane.inFlight, methodQueue.capacity - methodQueue.size)
    if (room > 0) {
      const due = await this.#store.due(name, room)
      await Promise.all(due.filter(({ id }) => !this.#inFlight.has(id)).map((job) => this.#begin(lane, job)))
    }
    const dueAt = await this.#store.nextDueAt(name)
    // Where casts of its own fill the window, the end of one of them goes on with the backlog.
    if (dueAt === undefined || (room <= 0 && lane.inFlight > 0)) return
    clearTimeout(lane.timer)
    const delayMs = Math.min(Math.max(dueAt - Date.now(), LOOK_AGAIN_MS), MAX_TIMER_MS)
    lane.timer = setTimeout(() => this.#pump(lane), delayMs).unref()
  }

  async #begin(lane: Lane, waiting: Job): Promise<void> {
    const expiresAt = waiting.expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(waiting.expiresAt)
    const inFlight: InFlight = { cancelled: false, expiresAt }
    this.#inFlight.set(waiting.id, inFlight)
    lane.inFlight += 1
    const job = await this.#store.begin(waiting.id)
    if (job === undefined) return this.#landed(lane, waiting.id)
    try {
      const queued = this.#queue(lane.service, job, inFlight)
      queued.promise.then(
        (result) => this.#ended(lane, job, { result: result as string }),
        (error: ThreadplaneError) => this.#ended(lane, job, { error }),
      )
    } catch (error) {
      await this.#ended(lane, job, { error: error as ThreadplaneError })
    }
  }

  #landed(lane: Lane, id: string): void {
    this.#inFlight.delete(id)
    lane.inFlight -= 1
  }

  #queue(service: SupervisedService, job: Job, inFlight: InFlight): QueuedMethod {
    const { timeoutMs } = service.method(job.method).options
    const queued = new QueuedMethod({
      service: service.name,
      method: job.method,
      payload: job.payload,
      kind: 'cast',
      format: 'json',
      job: {
        id: job.id,
        attempt: job.attempts,
        ...(job.traceparent !== null && { traceparent: job.traceparent }),
      },
      bytes: 0,
      priority: job.priority,
      timeoutMs,
      onProgress: (fraction, note) =>
        this.#store.progress(job.id, job.attempts, { fraction, ...(note !== undefined && { note }) }),
    })
    if (inFlight.cancelled) queued.cancel()
    else service.methodQueue.enqueue(queued)
    inFlight.queued = queued
    return queued
  }

  async #ended(lane: Lane, job: Job, end: { result: string } | { error: ThreadplaneError }): Promise<void> {
    try {
      await this.#record(lane.service, job, end)
    } catch (error) {
      this.#log.error({ err: error, jobId: job.id }, 'the outcome of a job could not be kept')
    } finally {
      this.#landed(lane, job.id)
      this.#pump(lane)
    }
  }

  async #record(
    service: SupervisedService,
    { id, attempts, maxAttempts, method }: Job,
    end: { result: string } | { error: ThreadplaneError },
  ): Promise<void> {
    if ('result' in end) {
      service.counts.succeeded += 1
      return this.#finished(await this.#store.finish(id, attempts, { state: 'succeeded', result: end.result }))
    }
    const { error } = end
    // It never began: the service stopped, or its queue was full.
    if (hasCode(error, 'SERVICE_NOT_RUNNING') || hasCode(error, 'QUEUE_FULL')) return this.#store.release(id, attempts)
    const jobError = toJobError(error)
    if (error.code === 'JOB_CANCELLED' || error.code === 'JOB_EXPIRED') {
      const state = error.code === 'JOB_CANCELLED' ? 'cancelled' : 'expired'
      const { started = false } = error.facts
      if (!started) await this.#store.release(id, attempts)
      return this.#finished(await this.#store.finish(id, started ? attempts : attempts - 1, { state, error: jobError }))
    }
    if (error.retryable && attempts < maxAttempts) {
      const { backoffMs, backoffMaxMs } = service.method(method).options
      const delayMs = Math.min(backoffMs * 2 ** (attempts - 1), backoffMaxMs) * (0.5 + Math.random() / 2)
      service.counts.retried += 1
      await this.#store.retry(id, attempts, jobError, new Date(Date.now() + delayMs))
      return
    }
    service.counts.failed += 1
    this.#log.error({ err: error, service: service.name, method, jobId: id, attempts }, 'a cast failed')
    return this.#finished(await this.#store.finish(id, attempts, { state: 'failed', error: jobError }))
  }

  async #expire(): Promise<void> {
    const now = Date.now()
    for (const { queued, expiresAt } of this.#inFlight.values()) {
      if (now >= expiresAt && queued?.begun === false)
        queued.abort('JOB_EXPIRED', 'its ttlMs passed before it could run')
    }
    for (const job of await this.#store.expire()) this.#finished(job)
  }

  #finished(job: Job | undefined): void {
    for (const done of this.#waiters.get(job?.id ?? '') ?? []) done()
  }
}
