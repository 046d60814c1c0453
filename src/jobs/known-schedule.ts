/** A schedule in memory: when its next tick is due, and why it does not run, if it does not. */
import { ThreadplaneError } from '../contract/errors.ts'
import { CronTimes } from './cron-times.ts'
import type { Schedule } from './job-store.ts'
import { timings } from './timings.ts'

/** Why a schedule casts no job. */
export type ScheduleError = Pick<ThreadplaneError, 'code' | 'message'>

/** If the last tick lies further ahead than this, the clock was set back after it. */
const CLOCK_TOLERANCE_MS = 60_000
/** Limits the exponent of the backoff. */
const MAX_DOUBLINGS = 30

export class KnownSchedule {
  #schedule: Schedule
  /** The first tick that was not cast: in the past if ticks were missed; `undefined` if there is none. */
  nextAt: number | undefined
  /** Why no tick can be calculated: a cron expression or time zone that this version, or this Node, does not know. */
  unusable: ScheduleError | undefined
  /** Why the last tick could not be cast. */
  failure: ScheduleError | undefined
  /** Its tick is being cast. */
  ticking = false
  /** How many of its ticks have cast a job since the start of the server. */
  runs = 0
  #failures = 0
  /** In milliseconds of the monotonic clock: setting the clock must not change the wait. */
  #retryAt = 0

  constructor(schedule: Schedule) {
    this.#schedule = schedule
    this.calculate()
  }

  get schedule(): Schedule {
    return this.#schedule
  }

  /** It was stored anew. */
  set schedule(schedule: Schedule) {
    this.#schedule = schedule
    this.failure = undefined
    this.#again()
  }

  get #last(): number {
    const { lastTickAt, createdAt } = this.#schedule
    return Math.max(lastTickAt ?? createdAt, createdAt)
  }

  /** Its next tick is the first one after this time. */
  get #from(): number {
    return this.isAhead ? Date.now() : this.#last
  }

  calculate(from = this.#from): void {
    try {
      this.nextAt = this.#times.next(from)
      this.unusable = undefined
    } catch (error) {
      this.nextAt = undefined
      this.unusable = { code: 'VALIDATION_FAILED', message: (error as Error).message }
    }
  }

  get #times(): CronTimes {
    return new CronTimes(this.#schedule.cron, this.#schedule.timezone)
  }

  /** Was the clock set back by so much that the next tick has to be calculated anew? */
  get isAhead(): boolean {
    return this.#last > Date.now() + CLOCK_TOLERANCE_MS
  }

  /** When the tick that must be cast was due: of several missed ones, the last. */
  get dueAt(): number {
    const nextAt = this.nextAt as number
    return this.#times.last(nextAt - 1, Date.now()) ?? nextAt
  }

  /** How long until a tick must be cast; infinite if none must. */
  get waitMs(): number {
    if (this.ticking || this.nextAt === undefined) return Number.POSITIVE_INFINITY
    return Math.max(this.nextAt - Date.now(), this.#retryAt - performance.now(), 0)
  }

  /** The job of a tick was cast, by this server or by another one. */
  ticked(at: number, here: boolean): void {
    if (here) this.runs += 1
    this.#schedule = { ...this.#schedule, lastTickAt: at }
    this.failure = undefined
    this.#again()
  }

  /** A tick will never be cast: the next one comes at its time. */
  skipped(at: number): void {
    this.#again(at)
  }

  #again(from?: number): void {
    this.#failures = 0
    this.#retryAt = 0
    this.calculate(from)
  }

  /** The tick must be cast later. Returns how often that has happened, one after another. */
  postpone(): number {
    const delayMs = timings.retryTickAfterMs * 2 ** Math.min(this.#failures, MAX_DOUBLINGS)
    this.#retryAt = performance.now() + Math.min(delayMs, timings.retryTickMaxMs)
    this.#failures += 1
    return this.#failures
  }

  /** True if this is another failure than the one before. */
  fail(error: Error): boolean {
    const { message } = error
    const code = error instanceof ThreadplaneError ? error.code : 'INTERNAL'
    const isNew = this.failure?.code !== code || this.failure.message !== message
    this.failure = { code, message }
    return isNew
  }
}

/** Its service was deleted, or the file of its module was. */
export function noService(service: string): ScheduleError {
  return { code: 'SERVICE_NOT_FOUND', message: `there is no service ${JSON.stringify(service)}` }
}

export function keyOf({ service, name }: Pick<Schedule, 'service' | 'name'>): string {
  return `${service}/${name}`
}
