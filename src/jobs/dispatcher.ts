/**
 * Casts and their jobs, as the routes and the schedules know them: accepted, looked at, waited for, cancelled, retried.
 * Each service has a lane from the store to its queue; what is on its way to an outcome is the affair of the attempts.
 */
import type { ServiceLog } from '../contract/log.ts'
import { hasCode, ThreadplaneError } from '../contract/errors.ts'
import { uuidv7 } from '../contract/uuidv7.ts'
import { Attempts } from './attempts.ts'
import { CANCELLED, isFinished, type Job, type JobState } from './job.ts'
import type {
  Accepted,
  AcceptRequest,
  Idempotency,
  JobFilter,
  JobPage,
  JobStore,
  OpenAttempt,
  Tick,
} from './job-store.ts'
import type { JobTarget } from './job-target.ts'
import { JobWaiters } from './job-waiters.ts'
import { Lane } from './lane.ts'

/** How often what waits is looked at: for its `ttlMs`, and whether it should wait elsewhere. */
const SWEEP_EVERY_MS = 500
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

export class Dispatcher {
  readonly #store: JobStore
  readonly #log: ServiceLog
  readonly #lanes = new Map<string, Lane>()
  readonly #attempts: Attempts
  readonly #waiters = new JobWaiters()
  readonly #sweepTimer: NodeJS.Timeout
  #expiring = false

  constructor(store: JobStore, log: ServiceLog) {
    this.#store = store
    this.#log = log
    this.#attempts = new Attempts({
      store,
      log,
      onFinished: (id) => this.#waiters.finished(id),
      onWaiting: (service) => this.#waiting(service),
      cancel: (id) => this.#cancelUnlessFinished(id),
    })
    this.#sweepTimer = setInterval(() => this.#sweep(), SWEEP_EVERY_MS).unref()
  }

  /** From now on the target's casts are dispatched whenever it is ready. */
  serve(target: JobTarget): void {
    const lane = new Lane({
      target,
      store: this.#store,
      log: this.#log,
      hand: (lane, attempt) => this.#attempts.hand(lane, attempt),
    })
    this.#lanes.set(target.name, lane)
  }

  /** Its service was deleted. */
  forget(target: JobTarget): void {
    const lane = this.#lanes.get(target.name)
    if (lane?.target !== target) return
    lane.close()
    this.#lanes.delete(target.name)
  }

  /** Keeps jobs, all in one transaction. Their payloads are validated. @throws METHOD_NOT_FOUND, JOURNAL_UNAVAILABLE */
  async cast(target: JobTarget, requests: CastRequest[]): Promise<Accepted[]> {
    const lane = this.#lanes.get(target.name)
    const room = lane?.caughtUp ? lane.room : 0
    let beginning = 0
    const accepts = requests.map((request): AcceptRequest => {
      const begin = beginning < room && request.options.delayMs === undefined
      if (begin) beginning += 1
      return toAcceptRequest(target, request, begin)
    })
    // Nobody else takes the room meanwhile.
    if (lane !== undefined) lane.inFlight += beginning
    let accepted: Accepted[]
    try {
      accepted = await this.#store.accept(accepts)
    } catch (error) {
      this.#giveBackRoom(lane, beginning)
      throw error
    }
    if (lane !== undefined) lane.inFlight -= beginning
    for (const [index, request] of accepts.entries()) {
      if (accepted[index]?.kind !== 'new') continue
      target.count('cast')
      if (request.begin) this.#attempts.hand(lane as Lane, firstAttempt(request))
    }
    if (beginning < accepts.length) this.#waiting(target.name)
    // What fell due meanwhile may have found no room, and of what was accepted nothing may have begun.
    else lane?.pump()
    return accepted.map((answer) => {
      if (answer.kind !== 'mismatch') answer.job = this.#attempts.view(answer.job)
      return answer
    })
  }

  #giveBackRoom(lane: Lane | undefined, beginning: number): void {
    if (lane === undefined) return
    lane.inFlight -= beginning
    lane.pump()
  }

  /** @throws JOB_NOT_FOUND */
  async get(id: string): Promise<Job> {
    const job = await this.#store.get(id)
    if (job === undefined) throw new ThreadplaneError('JOB_NOT_FOUND', `there is no job ${JSON.stringify(id)}`)
    return this.#attempts.view(job)
  }

  /** A page may have fewer than `limit` while there is a next one: what is kept as running may be seen as queued. */
  async list(filter: Omit<JobFilter, 'states'>, state?: JobState): Promise<JobPage> {
    const kept: JobState[] | undefined = state === 'queued' ? ['queued', 'running'] : state && [state]
    const page = await this.#store.list({ ...filter, ...(kept !== undefined && { states: kept }) })
    const items = page.items
      .map((job) => this.#attempts.view(job))
      .filter((job) => state === undefined || job.state === state)
    return { ...page, items }
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
    if (this.#attempts.cancel(id)) return this.wait(id, CANCELLED_WITHIN_MS)
    const isCancelled = await this.#store.finish(id, job.attempts, { state: 'cancelled', error: CANCELLED })
    // It has begun meanwhile.
    if (!isCancelled) return this.cancel(id)
    this.#waiters.finished(id)
    return this.get(id)
  }

  /** Queues a job anew that has failed, expired or been cancelled. @throws JOB_NOT_FOUND, SERVICE_NOT_FOUND, CONFLICT */
  async retry(id: string): Promise<Job> {
    const job = await this.get(id)
    const { service } = job
    // Of one that was deleted it would wait for ever.
    if (!this.#lanes.has(service)) {
      throw new ThreadplaneError('SERVICE_NOT_FOUND', `the service ${service} of the job is not there any more`, {
        service,
        jobId: id,
      })
    }
    if (!isFinished(job) || job.state === 'succeeded') {
      throw new ThreadplaneError(
        'CONFLICT',
        `the job is ${job.state}: only one that failed, expired or was cancelled is retried`,
        { jobId: id },
      )
    }
    const queued = await this.#store.requeue(id)
    this.#waiting(service)
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
    for (let before = new Set<string>(); ; ) {
      const ids = await this.#store.unfinished(service, STEP)
      if (ids.length === 0) return
      if (ids.every((id) => before.has(id))) {
        throw new ThreadplaneError('CONFLICT', `${ids.length} jobs could not be cancelled yet`, { service })
      }
      before = new Set(ids)
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
    clearInterval(this.#sweepTimer)
    this.#waiters.close()
    for (const lane of this.#lanes.values()) lane.close()
    this.#lanes.clear()
  }

  #waiting(service: string): void {
    this.#lanes.get(service)?.waiting()
  }

  #sweep(): void {
    this.#attempts.expire()
    this.#attempts.giveBack()
    void this.#expire()
  }

  /** Ends what has waited too long in the store, a step a transaction. Many at once take longer than a look around. */
  async #expire(): Promise<void> {
    if (this.#expiring) return
    this.#expiring = true
    try {
      for (let ids = await this.#store.expire(); ids.length > 0; ids = await this.#store.expire()) {
        for (const id of ids) this.#waiters.finished(id)
      }
    } catch (error) {
      if (!hasCode(error, 'JOURNAL_UNAVAILABLE')) this.#log.error({ err: error }, 'jobs could not be expired')
    } finally {
      this.#expiring = false
    }
  }
}

function toAcceptRequest(target: JobTarget, { method, payload, options }: CastRequest, begin: boolean): AcceptRequest {
  target.checkMethod(method)
  const defaults = target.methodOptions(method)
  const createdAt = Date.now()
  return {
    id: uuidv7(),
    service: target.name,
    method,
    payload,
    maxAttempts: options.maxAttempts ?? defaults.maxAttempts,
    priority: options.priority ?? defaults.priority,
    createdAt,
    notBefore: options.delayMs === undefined ? null : createdAt + options.delayMs,
    expiresAt: options.ttlMs === undefined ? null : createdAt + options.ttlMs,
    traceparent: options.traceparent ?? null,
    begin,
    idempotency: options.idempotency,
    tick: options.tick,
  }
}

function firstAttempt(request: AcceptRequest): OpenAttempt {
  const { id, method, payload, priority, maxAttempts, expiresAt, traceparent } = request
  return { id, method, payload, priority, number: 1, maxAttempts, expiresAt, traceparent, lastError: null }
}
