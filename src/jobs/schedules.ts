/**
 * Schedules: casts by the clock. Each tick casts one job, and both are stored in one transaction. Ticks that were missed
 * while the server was down are made up for by one job.
 */
import { Cron } from 'croner'
import type { ServiceLog } from '../contract/log.ts'
import { hasCode, RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import { METHOD_DEFAULTS } from '../contract/options.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Job } from './job.ts'
import type { JobTarget } from './job-target.ts'
import type { JobStore, Schedule } from './job-store.ts'
import { timings } from './timings.ts'

/** The longest timer: timers of Node have a limit, and the clock may be set meanwhile. */
const MAX_TIMER_MS = 60_000
/** Of one service. */
const MAX_SCHEDULES = 1_000

export interface SchedulesOptions {
  store: JobStore
  dispatcher: Dispatcher
  log: ServiceLog
  /** @throws SERVICE_NOT_FOUND */
  targetOf: (name: string) => JobTarget
}

interface Known {
  schedule: Schedule
  /** The next tick; in the past if ticks were missed. */
  nextAt: number | undefined
}

export class Schedules {
  readonly #options: SchedulesOptions
  /** By service and name; `undefined` until the store has been read. */
  #known: Map<string, Known> | undefined
  #timer: NodeJS.Timeout | undefined
  /** Ticks that are due are being cast. Meanwhile no timer is set, so that none is cast twice. */
  #ticking = false
  #closed = false

  constructor(options: SchedulesOptions) {
    this.#options = options
  }

  /** Reads the schedules from the store. If the store is unavailable, it is read again later. */
  async load(): Promise<void> {
    try {
      const schedules = await this.#options.store.schedules()
      this.#known = new Map(schedules.map((schedule) => [keyOf(schedule), known(schedule)]))
      this.#arm()
    } catch (error) {
      if (!hasCode(error, 'JOURNAL_UNAVAILABLE')) throw error
      if (!this.#closed) this.#timer = setTimeout(() => void this.load(), timings.retryTickAfterMs).unref()
    }
  }

  get #all(): Map<string, Known> {
    if (this.#known !== undefined) return this.#known
    throw new ThreadplaneError('JOURNAL_UNAVAILABLE', 'the schedules have not been read yet', {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    })
  }

  /** @throws JOURNAL_UNAVAILABLE */
  of(service: string): Schedule[] {
    return [...this.#all.values()].map(({ schedule }) => schedule).filter((schedule) => schedule.service === service)
  }

  /** @throws SCHEDULE_NOT_FOUND, JOURNAL_UNAVAILABLE */
  get(service: string, name: string): Schedule {
    const known = this.#all.get(keyOf({ service, name }))
    if (known !== undefined) return known.schedule
    const names = this.of(service).map((other) => other.name)
    const there = names.length === 0 ? 'there are none' : `there are: ${names.join(', ')}`
    throw new ThreadplaneError('SCHEDULE_NOT_FOUND', `${service} has no schedule ${JSON.stringify(name)}; ${there}`, {
      service,
    })
  }

  /** Stores a schedule. True if it is new. @throws VALIDATION_FAILED, METHOD_NOT_FOUND, SERVICE_NOT_RUNNING, CONFLICT, JOURNAL_UNAVAILABLE */
  async put(target: JobTarget, schedule: Omit<Schedule, 'createdAt' | 'lastTickAt'>): Promise<boolean> {
    await target.whenDescribed('cast', METHOD_DEFAULTS.timeoutMs)
    target.checkMethod(schedule.method)
    refuseBadCron(schedule)
    refuseBadPayload(target, schedule)
    const isNew = !this.#all.has(keyOf(schedule))
    if (isNew && this.of(target.name).length >= MAX_SCHEDULES) {
      throw new ThreadplaneError('CONFLICT', `${target.name} has ${MAX_SCHEDULES} schedules already`)
    }
    // A changed schedule begins now: it does not make up for ticks that the old one missed.
    const changed: Schedule = { ...schedule, createdAt: Date.now(), lastTickAt: null }
    await this.#options.store.putSchedule(changed)
    this.#all.set(keyOf(changed), known(changed))
    this.#arm()
    return isNew
  }

  /** @throws SCHEDULE_NOT_FOUND */
  async remove(service: string, name: string): Promise<void> {
    this.get(service, name)
    await this.#options.store.removeSchedule(service, name)
    this.#all.delete(keyOf({ service, name }))
    this.#arm()
  }

  async removeAll(service: string): Promise<void> {
    for (const { name } of this.of(service)) await this.remove(service, name)
  }

  /** Casts the job of a schedule now. Its ticks do not change. @throws SCHEDULE_NOT_FOUND, METHOD_NOT_FOUND */
  async run(service: string, name: string): Promise<Job> {
    const { method, payload } = this.get(service, name)
    const target = this.#options.targetOf(service)
    const [accepted] = await this.#options.dispatcher.cast(target, [
      { method, payload: JSON.stringify(payload), options: {} },
    ])
    return (accepted as { job: Job }).job
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #arm(): void {
    if (this.#ticking || this.#known === undefined || this.#known.size === 0) return
    let next = Number.POSITIVE_INFINITY
    for (const { nextAt = next } of this.#known.values()) next = Math.min(next, nextAt)
    this.#armIn(Math.min(Math.max(next - Date.now(), 0), MAX_TIMER_MS))
  }

  #armIn(delayMs: number): void {
    clearTimeout(this.#timer)
    if (!this.#closed) this.#timer = setTimeout(() => void this.#tickAll(), delayMs).unref()
  }

  async #tickAll(): Promise<void> {
    this.#ticking = true
    const now = Date.now()
    const due: Known[] = []
    for (const each of this.#all.values()) {
      if (each.nextAt !== undefined && each.nextAt <= now) due.push(each)
      // The clock was set back: the next tick is calculated by the new time.
      else if (lastAt(each.schedule) > now + MAX_TIMER_MS) each.nextAt = nextTickAt(each.schedule, now)
    }
    const ticked = await Promise.all(due.map((each) => this.#tick(each, now)))
    this.#ticking = false
    if (ticked.every(Boolean)) this.#arm()
    else this.#armIn(timings.retryTickAfterMs)
  }

  /** Casts the job of a tick. False if that must be tried again. */
  async #tick(known: Known, now: number): Promise<boolean> {
    const { dispatcher, log, targetOf } = this.#options
    const { schedule } = known
    const { service, name, method, payload } = schedule
    try {
      const target = targetOf(service)
      // The module has not described itself since the start of the server.
      if (!target.described) return false
      const tick = { service, name, at: now }
      await dispatcher.cast(target, [{ method, payload: JSON.stringify(payload), options: { tick } }])
    } catch (error) {
      // The module may be missing from the workers folder for a while.
      if (hasCode(error, 'JOURNAL_UNAVAILABLE') || hasCode(error, 'SERVICE_NOT_FOUND')) return false
      log.error({ err: error, service, schedule: name }, 'a scheduled job could not be cast')
    }
    schedule.lastTickAt = now
    known.nextAt = nextTickAt(schedule, now)
    return true
  }
}

function known(schedule: Schedule): Known {
  return { schedule, nextAt: nextTickAt(schedule, Date.now()) }
}

function lastAt({ lastTickAt, createdAt }: Schedule): number {
  return lastTickAt ?? createdAt
}

/** The next tick after the last one, in milliseconds since the epoch; in the past if ticks were missed. */
export function nextTickAt(schedule: Schedule, now: number): number | undefined {
  const { cron, timezone } = schedule
  const last = lastAt(schedule)
  // If the last tick lies in the future, the clock was set back after it.
  const from = last > now + MAX_TIMER_MS ? now : last
  return new Cron(cron, { timezone, paused: true }).nextRun(new Date(from))?.getTime()
}

function refuseBadCron({ cron, timezone }: Pick<Schedule, 'cron' | 'timezone'>): void {
  const refuse = (pointer: string, message: string) =>
    new ThreadplaneError('VALIDATION_FAILED', `the schedule was refused: ${message}`, {
      errors: [{ pointer, message }],
    })
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    throw refuse('/timezone', `${JSON.stringify(timezone)} is not a time zone of the IANA database`)
  }
  const fields = cron.trim().split(/\s+/).length
  if (!cron.startsWith('@') && fields !== 5 && fields !== 6)
    throw refuse('/cron', `it has ${fields} fields instead of 5 or 6`)
  let next: Date | null
  try {
    next = new Cron(cron, { timezone, paused: true }).nextRun()
  } catch (error) {
    throw refuse('/cron', (error as Error).message)
  }
  if (next === null) throw refuse('/cron', 'it names no time in the future')
}

/** Reports issues of the payload with pointers into the schedule. */
function refuseBadPayload(target: JobTarget, { method, payload }: Pick<Schedule, 'method' | 'payload'>): void {
  try {
    target.checkPayload(method, payload)
  } catch (error) {
    if (!hasCode(error, 'VALIDATION_FAILED')) throw error
    const errors = error.facts.errors?.map(({ pointer, message }) => ({ pointer: `/payload${pointer}`, message }))
    throw new ThreadplaneError('VALIDATION_FAILED', error.message, { ...error.facts, errors: errors ?? [] })
  }
}

function keyOf({ service, name }: Pick<Schedule, 'service' | 'name'>): string {
  return `${service}/${name}`
}
