/**
 * Casts and their jobs, as routes and schedules use them: accept, read, wait for, cancel, retry. Each service has a feed
 * from the store to its queue; `Attempts` follows each attempt from there to its end.
 */
import type { JobState } from '../contract/states.ts'
import { NO_EVENTS } from '../contract/events.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { Traces } from '../contract/traces.ts'
import { hasCode, ThreadplaneError } from '../contract/errors.ts'
import { Attempts } from './attempts.ts'
import { checkMayRetry } from './check-retry.ts'
import { isFinished, type Job, jobNotFound } from './job.ts'
import { JobOverview } from './job-overview.ts'
import { type CastRequest, firstAttempt, toAcceptRequest } from './cast-request.ts'
import type { Accepted, AcceptRequest, JobFilter, JobPage, JobStore, WaitingJob } from './job-store.ts'
import { BulkJobs } from './bulk-jobs.ts'
import type { JobTarget } from './job-target.ts'
import { JobEvents } from './job-events.ts'
import { JobWaiters } from './job-waiters.ts'
import { ServiceJobs } from './service-jobs.ts'
import { acceptTraced } from './traced-cast.ts'
import { StoreDeadline } from './store-deadline.ts'
import { WaitingJobs } from './waiting-jobs.ts'
import { CastFeed } from './cast-feed.ts'
import { Notices } from './notices.ts'
import { NO_OTHERS, type OtherServers } from './other-servers.ts'
import type { DispatcherOptions } from './dispatcher-options.ts'

/** How often attempts and jobs that wait are checked: for their `ttlMs`, and for attempts to release. */
const SWEEP_EVERY_MS = 500
/** How long `cancel` waits for the end of a running job. */
const CANCELLED_WITHIN_MS = 1_000

export class Dispatcher {
  readonly #store: JobStore
  readonly #others: OtherServers
  readonly #log: ServiceLog
  readonly #traces: Traces | undefined
  readonly #events: JobEvents
  readonly #feeds = new Map<string, CastFeed>()
  readonly #attempts: Attempts
  readonly #waiters = new JobWaiters()
  /** For each answer of the store that a client waits for. */
  readonly deadline = new StoreDeadline()
  /** For what other servers know. */
  readonly notices: Notices
  readonly overview: JobOverview
  readonly bulk: BulkJobs
  readonly ofService: ServiceJobs
  readonly #sweepTimer: NodeJS.Timeout
  readonly waitingJobs: WaitingJobs

  constructor(
    store: JobStore,
    log: ServiceLog,
    { events = NO_EVENTS, logOf = () => '', traces, others = NO_OTHERS }: DispatcherOptions = {},
  ) {
    this.#store = store
    this.#others = others
    this.#traces = traces
    this.#log = log
    this.#events = new JobEvents(events)
    this.#attempts = new Attempts({
      store,
      log,
      events: this.#events,
      logOf,
      traces,
      onFinished: (id) => this.#finished(id),
      onWaiting: (service) => this.#waiting(service),
      cancel: (id) => this.#cancelUnlessFinished(id),
    })
    this.notices = new Notices(this.#feeds, this.#attempts, this.#waiters, this.#events)
    const parts = { store, deadline: this.deadline, attempts: this.#attempts }
    this.overview = new JobOverview(parts)
    this.ofService = new ServiceJobs({
      store,
      deadline: this.deadline,
      cancel: (id) => this.#cancelUnlessFinished(id),
      onCancelled: (job) => this.#ended(job, 'cancelled'),
      onWaiting: (service) => this.#waiting(service),
    })
    this.bulk = new BulkJobs({
      ...parts,
      exists: (service) => this.#feeds.has(service),
      cancel: (id) => this.cancel(id),
      onFinished: (id) => this.#finished(id),
      onWaiting: (service) => this.#waiting(service),
    })
    this.waitingJobs = new WaitingJobs({
      ...parts,
      log,
      onExpired: (job) => this.#ended(job, 'expired'),
      onEarlier: () => this.#feeds.forEach((feed) => feed.waiting()),
      onWaiting: (service) => this.#waiting(service),
    })
    this.#sweepTimer = setInterval(() => this.#sweep(), SWEEP_EVERY_MS).unref()
  }

  /** From now on, dispatches the target's casts whenever it is ready. */
  serve(target: JobTarget): void {
    const feed = new CastFeed({
      target,
      store: this.#store,
      log: this.#log,
      hand: (feed, attempt) => this.#attempts.hand(feed, attempt),
    })
    this.#feeds.set(target.name, feed)
    if (this.notices.takesNothing) feed.close()
  }

  /** Called when the service was deleted. */
  forget(target: JobTarget): void {
    const feed = this.#feeds.get(target.name)
    if (feed?.target !== target) return
    feed.close()
    this.#feeds.delete(target.name)
  }

  /** True while the store answers, and can write what it is told. */
  get storeIsReady(): boolean {
    return this.#store.isWritable && this.deadline.answers
  }

  /** Stores jobs, all in one transaction. Payloads must be valid. @throws METHOD_NOT_FOUND, JOURNAL_UNAVAILABLE */
  cast(target: JobTarget, requests: CastRequest[]): Promise<Accepted[]> {
    return this.deadline.within(this.#cast(target, requests))
  }

  /**
   * Stores the job of a tick. Waits for the store as long as it takes: a tick that is cast again, as its answer is late,
   * would run twice. Answers the id of the job; `undefined` if another server has cast the tick.
   */
  async castTick(target: JobTarget, request: CastRequest): Promise<string | undefined> {
    const [accepted] = await this.#cast(target, [request])
    return accepted?.kind === 'new' ? accepted.job.id : undefined
  }

  async #cast(target: JobTarget, requests: CastRequest[]): Promise<Accepted[]> {
    const feed = this.#feeds.get(target.name)
    const room = feed?.roomToBegin ?? 0
    let beginning = 0
    const accepts = requests.map((request): AcceptRequest => {
      const begin = beginning < room && request.options.delayMs === undefined
      if (begin) beginning += 1
      return toAcceptRequest(target, request, begin)
    })
    // No other cast can use the room while the store is asked.
    feed?.reserve(beginning)
    let accepted: Accepted[]
    try {
      accepted = await acceptTraced(this.#traces, this.#store, target.name, accepts)
    } catch (error) {
      feed?.unreserve(beginning)
      feed?.pump()
      throw error
    }
    feed?.unreserve(beginning)
    let waits = false
    for (const [index, request] of accepts.entries()) {
      const answer = accepted[index]
      if (answer?.kind !== 'new') continue
      target.counter.count('cast', request.method)
      this.#events.accepted(answer.job)
      // The answer decides, not the request: a store may decline to begin an attempt.
      if (answer.job.state === 'running') this.#attempts.hand(feed as CastFeed, firstAttempt(request))
      else waits = true
    }
    if (waits) this.#waiting(target.name)
    // Room that was reserved and not used: jobs that fell due meanwhile may need it.
    else feed?.pump()
    return accepted.map((answer) => {
      if (answer.kind !== 'mismatch') answer.job = this.#attempts.view(answer.job)
      return answer
    })
  }

  /** @throws JOB_NOT_FOUND */
  async get(id: string): Promise<Job> {
    const job = await this.deadline.within(this.#store.get(id))
    if (job === undefined) throw jobNotFound(id)
    return this.#attempts.view(job)
  }

  /**
   * A page may have fewer than `limit` jobs and not be the last: a job whose attempt has not begun in its thread is
   * `running` in the store, and `queued` for clients.
   */
  async list(filter: Omit<JobFilter, 'states'>, state?: JobState): Promise<JobPage> {
    const states: JobState[] | undefined = state === 'queued' ? ['queued', 'running'] : state && [state]
    const page = await this.deadline.within(this.#store.list({ ...filter, ...(states !== undefined && { states }) }))
    const items = page.items
      .map((job) => this.#attempts.view(job))
      .filter((job) => state === undefined || job.state === state)
    return { ...page, items }
  }

  /** The job as soon as it is finished, or as it is after `timeoutMs`. @throws JOB_NOT_FOUND, JOURNAL_UNAVAILABLE */
  async wait(id: string, timeoutMs: number, signal?: AbortSignal): Promise<Job> {
    // The wait begins before the job is read: it may finish between the two.
    const wait = this.#waiters.wait(id, timeoutMs, signal)
    if (!this.#attempts.has(id)) this.#others.watch(id)
    try {
      const job = await this.deadline.within(this.#store.get(id))
      if (job === undefined || isFinished(job)) wait.end()
    } catch (error) {
      wait.end()
      throw error
    }
    await wait.over
    return this.get(id)
  }

  /**
   * Cancels a job: if it waits, it never runs; if it runs, its signal fires, and this waits up to a second for its end.
   * @throws JOB_NOT_FOUND, CONFLICT, JOURNAL_UNAVAILABLE
   */
  async cancel(id: string): Promise<Job> {
    if (this.#attempts.cancel(id)) return this.wait(id, CANCELLED_WITHIN_MS)
    return this.#attempts.cancelUntil(id, async () => {
      const askedAt = Date.now()
      const job = await this.deadline.within(this.#store.cancel(id))
      if (job === undefined) throw jobNotFound(id)
      // The store has begun an attempt that is not here yet, and is cancelled when it is handed over; or on another server.
      if (job.state === 'running') {
        await this.deadline.within(this.#others.requestCancel(id))
        return this.wait(id, CANCELLED_WITHIN_MS)
      }
      if (job.state !== 'cancelled')
        throw new ThreadplaneError('CONFLICT', `the job is already ${job.state}`, { jobId: id })
      // Not if it was cancelled before.
      if (Date.parse(job.finishedAt ?? '') >= askedAt) this.#ended(job, 'cancelled')
      return job
    })
  }

  /** Queues a failed, expired or cancelled job again. @throws JOB_NOT_FOUND, SERVICE_NOT_FOUND, CONFLICT */
  async retry(id: string): Promise<Job> {
    const job = await this.get(id)
    const { service } = job
    checkMayRetry(job, this.#feeds.has(service))
    const requeued = this.#store.requeue(id).then((queued) => {
      this.#waiting(service)
      return queued
    })
    return this.deadline.within(requeued)
  }

  /** Forgets a finished job, and answers it. @throws JOB_NOT_FOUND, CONFLICT */
  async remove(id: string): Promise<Job> {
    const job = await this.get(id)
    if (!isFinished(job))
      throw new ThreadplaneError('CONFLICT', `the job is ${job.state}: cancel it first`, { jobId: id })
    await this.deadline.within(this.#store.remove(id))
    this.#events.deleted(job)
    return job
  }

  async #cancelUnlessFinished(id: string): Promise<void> {
    try {
      await this.cancel(id)
    } catch (error) {
      if (!hasCode(error, 'CONFLICT') && !hasCode(error, 'JOB_NOT_FOUND')) throw error
    }
  }

  /** Dispatches nothing more, and answers all clients that wait for a job. */
  close(): void {
    clearInterval(this.#sweepTimer)
    this.#waiters.close()
    for (const feed of this.#feeds.values()) feed.close()
    this.#feeds.clear()
  }

  /** A job has ended that waited in the store. */
  #ended(job: WaitingJob, state: 'cancelled' | 'expired'): void {
    this.#events.withdrawn(job, state)
    this.#feeds.get(job.service)?.target.counter.finished(job, state)
    this.#finished(job.id)
  }

  #finished(id: string): void {
    this.#waiters.finished(id)
    this.#others.finished(id)
  }

  #waiting(service: string): void {
    this.notices.work(service)
    this.#others.work(service)
  }

  #sweep(): void {
    this.deadline.sweep()
    this.#attempts.expire()
    this.#attempts.releaseLate()
    this.#attempts.tellBegun()
    this.waitingJobs.sweep()
  }
}
