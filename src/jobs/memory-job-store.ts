/** Jobs in memory: what a journal keeps on disk, for as long as the process lives. Bounded (P5). */
import { ThreadplaneError } from '../errors.ts'
import { type Attempt, isFinished, type Job, type JobError, type JobProgress } from './job.ts'
import type { JobFilter, JobOutcome, JobPage, JobStore } from './job-store.ts'

/** The oldest finished jobs are forgotten beyond this; where all are unfinished, no more are accepted. */
const MAX_JOBS = 100_000

export class MemoryJobStore implements JobStore {
  /** In the order of acceptance. */
  readonly #jobs = new Map<string, Job>()
  readonly #backlogs = new Map<string, Backlog>()
  readonly #maxJobs: number

  constructor(maxJobs = MAX_JOBS) {
    this.#maxJobs = maxJobs
  }

  async accept(job: Job): Promise<Job> {
    if (this.#jobs.size >= this.#maxJobs) this.#forgetFinished()
    if (this.#jobs.size >= this.#maxJobs) {
      throw new ThreadplaneError('JOURNAL_UNAVAILABLE', `${this.#jobs.size} unfinished jobs are kept already`, {
        retryAfterSeconds: 5,
      })
    }
    this.#jobs.set(job.id, job)
    this.#wait(job)
    return { ...job }
  }

  #forgetFinished(): void {
    let excess = Math.max(this.#jobs.size - this.#maxJobs * 0.9, 1)
    for (const job of this.#jobs.values()) {
      if (excess <= 0) return
      if (!isFinished(job)) continue
      this.#jobs.delete(job.id)
      excess -= 1
    }
  }

  async get(id: string): Promise<Job | undefined> {
    const job = this.#jobs.get(id)
    return job && { ...job }
  }

  async list({ service, method, state, limit, cursor }: JobFilter): Promise<JobPage> {
    const matching = [...this.#jobs.values()]
      .reverse()
      .filter(
        (job) =>
          (service === undefined || job.service === service) &&
          (method === undefined || job.method === method) &&
          (state === undefined || job.state === state) &&
          (cursor === undefined || job.id < cursor),
      )
    const items = matching.slice(0, limit).map((job) => ({ ...job }))
    return { items, nextCursor: matching.length > limit ? (items.at(-1)?.id ?? null) : null }
  }

  async due(service: string, limit: number): Promise<Job[]> {
    return (this.#backlogs.get(service)?.due(limit) ?? []).map((job) => ({ ...job }))
  }

  async nextDueAt(service: string): Promise<number | undefined> {
    return this.#backlogs.get(service)?.nextDueAt
  }

  async begin(id: string): Promise<Job | undefined> {
    const job = this.#present(id)
    if (job.state !== 'queued') return undefined
    const startedAt = new Date().toISOString()
    job.attempts += 1
    job.state = 'running'
    job.startedAt ??= startedAt
    job.history = [...job.history, { number: job.attempts, startedAt }]
    this.#backlogs.get(job.service)?.delete(job)
    return { ...job }
  }

  async release(id: string, attempt: number): Promise<void> {
    const job = this.#running(id, attempt)
    if (job === undefined) return
    job.attempts -= 1
    job.history = job.history.slice(0, -1)
    if (job.history.length === 0) job.startedAt = null
    this.#wait(job)
  }

  async retry(id: string, attempt: number, error: JobError, notBefore: Date): Promise<Job | undefined> {
    const job = this.#running(id, attempt)
    if (job === undefined) return undefined
    endAttempt(job, error)
    job.notBefore = notBefore.toISOString()
    this.#wait(job)
    return { ...job }
  }

  async finish(id: string, attempt: number, outcome: JobOutcome): Promise<Job | undefined> {
    const job = this.#jobs.get(id)
    if (job === undefined || isFinished(job) || job.attempts !== attempt) return undefined
    if (job.state === 'running') endAttempt(job, outcome.state === 'succeeded' ? undefined : outcome.error)
    this.#backlogs.get(job.service)?.delete(job)
    job.state = outcome.state
    job.finishedAt = new Date().toISOString()
    if (outcome.state === 'succeeded') job.result = outcome.result
    else job.error = outcome.error
    return { ...job }
  }

  progress(id: string, attempt: number, progress: JobProgress): void {
    const job = this.#running(id, attempt)
    if (job !== undefined) job.progress = progress
  }

  async expire(): Promise<Job[]> {
    const now = Date.now()
    const late = [...this.#backlogs.values()].flatMap((backlog) => backlog.waiting()).filter(isLate)
    function isLate({ expiresAt }: Job): boolean {
      return expiresAt !== null && Date.parse(expiresAt) <= now
    }
    const error = { code: 'JOB_EXPIRED', message: 'its ttlMs passed before it could run' }
    const expired = await Promise.all(late.map((job) => this.finish(job.id, job.attempts, { state: 'expired', error })))
    return expired.filter((job) => job !== undefined)
  }

  async requeue(id: string): Promise<Job> {
    const job = this.#present(id)
    // The history goes on, so its numbers do too: attempts left are counted from here.
    job.maxAttempts += job.attempts
    job.finishedAt = job.error = job.notBefore = job.expiresAt = null
    this.#wait(job)
    return { ...job }
  }

  async remove(id: string): Promise<void> {
    this.#jobs.delete(id)
  }

  async unfinished(service: string): Promise<string[]> {
    return [...this.#jobs.values()].filter((job) => job.service === service && !isFinished(job)).map(({ id }) => id)
  }

  #wait(job: Job): void {
    const backlog = this.#backlogs.get(job.service) ?? new Backlog()
    this.#backlogs.set(job.service, backlog)
    backlog.add(job)
  }

  #present(id: string): Job {
    const job = this.#jobs.get(id)
    if (job === undefined) throw new ThreadplaneError('JOB_NOT_FOUND', `there is no job ${id}`)
    return job
  }

  #running(id: string, attempt: number): Job | undefined {
    const job = this.#jobs.get(id)
    return job?.state === 'running' && job.attempts === attempt ? job : undefined
  }
}

function endAttempt(job: Job, error: JobError | undefined): void {
  const last = job.history.at(-1) as Attempt
  const ended = { ...last, endedAt: new Date().toISOString(), ...(error !== undefined && { error }) }
  job.history = [...job.history.slice(0, -1), ended]
}

/** The waiting jobs of one service: first in, first out within a priority; scheduled ones apart until they are due. */
class Backlog {
  readonly #queued: Set<Job>[] = Array.from({ length: 10 }, () => new Set())
  readonly #scheduled = new Set<Job>()

  add(job: Job): void {
    const scheduled = job.notBefore !== null && Date.parse(job.notBefore) > Date.now()
    job.state = scheduled ? 'scheduled' : 'queued'
    if (scheduled) this.#scheduled.add(job)
    else this.#queued[job.priority]?.add(job)
  }

  delete(job: Job): void {
    this.#scheduled.delete(job)
    this.#queued[job.priority]?.delete(job)
  }

  waiting(): Job[] {
    return [...this.#scheduled, ...this.#queued.flatMap((jobs) => [...jobs])]
  }

  due(limit: number): Job[] {
    const scheduled = [...this.#scheduled]
    this.#scheduled.clear()
    for (const job of scheduled) this.add(job)
    const due: Job[] = []
    for (let priority = this.#queued.length - 1; priority >= 0; priority -= 1) {
      for (const job of this.#queued[priority] as Set<Job>) {
        if (due.length >= limit) return due
        due.push(job)
      }
    }
    return due
  }

  get nextDueAt(): number | undefined {
    if (this.#queued.some((jobs) => jobs.size > 0)) return Date.now()
    if (this.#scheduled.size === 0) return undefined
    return Math.min(...[...this.#scheduled].map((job) => Date.parse(job.notBefore as string)))
  }
}
