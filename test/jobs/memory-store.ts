/**
 * A second store, in memory, that promises what `JobStore` promises and nothing more: each operation takes effect at
 * some moment, and its answer arrives at some later one, in any order.
 */
import { ThreadplaneError } from '../../src/contract/errors.ts'
import { CANCELLED, isFinished, type Job, type JobError, newJobRecord, timestamp } from '../../src/jobs/job.ts'
import type {
  Accepted,
  AcceptRequest,
  JobOutcome,
  JobPage,
  JobStore,
  OpenAttempt,
  Schedule,
  WaitingJob,
  Withdrawal,
} from '../../src/jobs/job-store.ts'

export type Operation = 'accept' | 'get' | 'take' | 'nextDueAt' | 'release' | 'retry' | 'finish' | 'withdraw' | 'cancel'

interface Stored {
  job: Job
  request: AcceptRequest
}

export class MemoryStore implements JobStore {
  readonly #stored = new Map<string, Stored>()
  /** Decides when an operation takes effect. */
  before: (operation: Operation) => Promise<void> = async () => {}
  /** Decides when its answer arrives. */
  after: (operation: Operation) => Promise<void> = async () => {}
  /** Like a store that has lost its lease: it begins nothing. */
  declines = false
  isWritable = true

  get jobs(): Job[] {
    return [...this.#stored.values()].map(({ job }) => job)
  }

  async #do<T>(operation: Operation, effect: () => T): Promise<T> {
    await this.before(operation)
    const answer = effect()
    await this.after(operation)
    return answer
  }

  #waiting(service: string): Stored[] {
    return [...this.#stored.values()].filter(
      ({ job }) => job.service === service && (job.state === 'queued' || job.state === 'scheduled'),
    )
  }

  #change(id: string, facts: Partial<Job>): Job {
    const stored = this.#stored.get(id) as Stored
    stored.job = { ...stored.job, ...facts }
    return stored.job
  }

  /** Changes a job if that attempt is its running one. */
  #end(id: string, attempt: number, facts: (job: Job) => Partial<Job>): boolean {
    const job = this.#stored.get(id)?.job
    if (job?.state !== 'running' || job.attempts !== attempt) return false
    this.#change(id, facts(job))
    return true
  }

  #begin({ job: { id, attempts, history } }: Stored): void {
    const number = attempts + 1
    this.#change(id, {
      state: 'running',
      attempts: number,
      history: [...history, { number, startedAt: timestamp(Date.now()) }],
    })
  }

  accept(requests: AcceptRequest[]): Promise<Accepted[]> {
    return this.#do('accept', () =>
      requests.map((request) => {
        const begunAt = request.begin && !this.declines ? Date.now() : null
        const state = begunAt !== null ? 'running' : request.notBefore !== null ? 'scheduled' : 'queued'
        const job = newJobRecord(request, state, begunAt)
        this.#stored.set(job.id, { job, request })
        return { kind: 'new', job, keyExpiresAt: undefined }
      }),
    )
  }

  get(id: string): Promise<Job | undefined> {
    return this.#do('get', () => this.#stored.get(id)?.job)
  }

  take(service: string, limit: number): Promise<OpenAttempt[]> {
    return this.#do('take', () => {
      const isDue = ({ notBefore }: Job) => notBefore === null || Date.parse(notBefore) <= Date.now()
      const due = this.declines ? [] : this.#waiting(service).filter(({ job }) => isDue(job))
      return due.slice(0, limit).map((stored) => {
        const lastError = stored.job.history.at(-1)?.error ?? null
        this.#begin(stored)
        return { ...stored.request, number: stored.job.attempts, maxAttempts: stored.job.maxAttempts, lastError }
      })
    })
  }

  nextDueAt(service: string): Promise<number | undefined> {
    return this.#do('nextDueAt', () => {
      const times = this.#waiting(service).map(({ job }) => (job.notBefore === null ? 0 : Date.parse(job.notBefore)))
      return times.length === 0 ? undefined : Math.min(...times)
    })
  }

  release(id: string, attempt: number): Promise<boolean> {
    return this.#do('release', () =>
      this.#end(id, attempt, ({ history }) => ({
        state: 'queued',
        attempts: attempt - 1,
        history: history.slice(0, -1),
      })),
    )
  }

  retry(id: string, attempt: number, error: JobError, notBefore: Date): Promise<boolean> {
    return this.#do('retry', () =>
      this.#end(id, attempt, ({ history }) => ({
        state: 'scheduled',
        notBefore: notBefore.toISOString(),
        history: history.map((each) => (each.number === attempt ? { ...each, error } : each)),
      })),
    )
  }

  finish(id: string, attempt: number, outcome: JobOutcome): Promise<boolean> {
    const finishedAt = timestamp(Date.now())
    return this.#do('finish', () => this.#end(id, attempt, () => ({ ...outcome, finishedAt })))
  }

  withdraw(id: string, attempt: number, { state, error, begun }: Withdrawal): Promise<boolean> {
    return this.#do('withdraw', () =>
      this.#end(id, attempt, ({ history }) => ({
        state,
        error,
        finishedAt: timestamp(Date.now()),
        attempts: begun ? attempt : attempt - 1,
        history: begun ? history : history.slice(0, -1),
      })),
    )
  }

  cancel(id: string): Promise<Job | undefined> {
    return this.#do('cancel', () => {
      const job = this.#stored.get(id)?.job
      if (job === undefined || job.state === 'running' || isFinished(job)) return job
      return this.#change(id, { state: 'cancelled', error: CANCELLED, finishedAt: timestamp(Date.now()) })
    })
  }

  async runNow(): Promise<undefined> {
    return undefined
  }

  async unfinished(service: string, limit: number): Promise<string[]> {
    const unfinished = this.jobs.filter((job) => job.service === service && !isFinished(job))
    return unfinished.slice(0, limit).map(({ id }) => id)
  }

  async countUnfinished(service: string): Promise<number> {
    return (await this.unfinished(service, Number.POSITIVE_INFINITY)).length
  }

  async cancelWaiting(service: string, limit: number): Promise<WaitingJob[]> {
    const waiting = this.#waiting(service).slice(0, limit)
    return waiting.map(({ job: { id } }) => this.#change(id, { state: 'cancelled', error: CANCELLED, finishedAt: '' }))
  }

  progress(): void {}

  async expire(): Promise<WaitingJob[]> {
    return []
  }

  async attemptLogs(): Promise<string[]> {
    return []
  }

  async payload(): Promise<undefined> {
    return undefined
  }

  async counts(): Promise<[]> {
    return []
  }

  async oldestQueued(): Promise<[]> {
    return []
  }

  async failures(): Promise<[]> {
    return []
  }

  async countMatching(): Promise<number> {
    return 0
  }

  async matching(): Promise<{ jobs: [] }> {
    return { jobs: [] }
  }

  async requeueAll(): Promise<string[]> {
    return []
  }

  async cancelSome(): Promise<string[]> {
    return []
  }

  async removeAll(): Promise<number> {
    return 0
  }

  async list(): Promise<JobPage> {
    return { items: this.jobs.reverse(), nextCursor: null }
  }

  async requeue(): Promise<Job> {
    throw new ThreadplaneError('CONFLICT', 'no test requeues jobs of this store')
  }

  async requeueFailed(): Promise<number> {
    return 0
  }

  async remove(id: string): Promise<void> {
    this.#stored.delete(id)
  }

  async clockSetBack(): Promise<void> {}

  async schedules(): Promise<Schedule[]> {
    return []
  }

  async schedulePayloads(): Promise<(string | null)[]> {
    return []
  }

  async putSchedule(schedule: Omit<Schedule, 'lastTickAt'>): Promise<Schedule> {
    return { ...schedule, lastTickAt: null }
  }

  async removeSchedule(): Promise<void> {}

  async close(): Promise<void> {}
}
