/**
 * Casts by the clock. Each tick is one job: the job and the tick are kept in one transaction. A tick that was missed,
 * because the server was down, runs once.
 */
import { Cron } from 'croner'
import type { ServiceLog } from '../contract/log.ts'
import { hasCode, ThreadplaneError } from '../contract/errors.ts'
import { METHOD_DEFAULTS } from '../contract/options.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Job } from './job.ts'
import type { JobTarget } from './job-target.ts'
import type { JobStore, Schedule } from './job-store.ts'

/** Timers of Node are bounded, and clocks are set: it looks at least this often. */
const LOOK_EVERY_MS = 60_000
const RETRY_AFTER_MS = 1_000
/** Of one service. */
const MAX_SCHEDULES = 1_000

export interface SchedulesOptions {
  store: JobStore
  dispatcher: Dispatcher
  log: ServiceLog
  /** @throws SERVICE_NOT_FOUND */
  targetOf: (name: string) => JobTarget
}

/** A schedule, and when it runs next, in milliseconds since the epoch; in the past if a tick was missed. */
interface Known {
  schedule: Schedule
  nextAt: number | undefined
}

export class Schedules {
  readonly #options: SchedulesOptions
  /** `undefined` until the journal could be read. */
  #known: Map<string, Known> | undefined
  #timer: NodeJS.Timeout | undefined
  /** What is due is cast once: while it is, nothing else looks at the clock. */
  #ticking = false
  #closed = false

  constructor(options: SchedulesOptions) {
    this.#options = options
  }

  /** Reads them from the journal; if that cannot be read now, it is tried again. */
  async load(): Promise<void> {
    try {
      const schedules = await this.#options.store.schedules()
      this.#known = new Map(schedules.map((schedule) => [keyOf(schedule), known(schedule)]))
      this.#arm()
    } catch (error) {
      if (!hasCode(error, 'JOURNAL_UNAVAILABLE')) throw error
      if (!this.#closed) this.#timer = setTimeout(() => void this.load(), RETRY_AFTER_MS).unref()
    }
  }

  get #all(): Map<string, Known> {
    if (this.#known !== undefined) return this.#known
    throw new ThreadplaneError('JOURNAL_UNAVAILABLE', 'the schedules could not be read yet', { retryAfterSeconds: 5 })
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

  /** True if it is new. @throws VALIDATION_FAILED, METHOD_NOT_FOUND, SERVICE_NOT_RUNNING, CONFLICT, JOURNAL_UNAVAILABLE */
  async put(target: JobTarget, schedule: Omit<Schedule, 'createdAt' | 'lastTickAt'>): Promise<boolean> {
    await target.whenDescribed('cast', METHOD_DEFAULTS.timeoutMs)
    target.checkMethod(schedule.method)
    refuseBadCron(schedule)
    refuseBadPayload(target, schedule)
    const isNew = !this.#all.has(keyOf(schedule))
    if (isNew && this.of(target.name).length >= MAX_SCHEDULES) {
      throw new ThreadplaneError('CONFLICT', `${target.name} has ${MAX_SCHEDULES} schedules already`)
    }
    // What it missed by its old clock is not made up for by its new one.
    const kept: Schedule = { ...schedule, createdAt: Date.now(), lastTickAt: null }
    await this.#options.store.putSchedule(kept)
    this.#all.set(keyOf(kept), known(kept))
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

  /** Casts its job now, which changes nothing of its clock. @throws SCHEDULE_NOT_FOUND, METHOD_NOT_FOUND */
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
    this.#armIn(Math.min(Math.max(next - Date.now(), 0), LOOK_EVERY_MS))
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
      // The clock was set back: it ticks by the new one.
      else if (lastAt(each.schedule) > now + LOOK_EVERY_MS) each.nextAt = nextTickAt(each.schedule, now)
    }
    const ticked = await Promise.all(due.map((each) => this.#tick(each, now)))
    this.#ticking = false
    if (ticked.every(Boolean)) this.#arm()
    else this.#armIn(RETRY_AFTER_MS)
  }

  /** False if the tick could not be kept, and is still to come. */
  async #tick(known: Known, now: number): Promise<boolean> {
    const { dispatcher, log, targetOf } = this.#options
    const { schedule } = known
    const { service, name, method, payload } = schedule
    try {
      const target = targetOf(service)
      // Its module has not described itself since the start.
      if (!target.described) return false
      const tick = { service, name, at: now }
      await dispatcher.cast(target, [{ method, payload: JSON.stringify(payload), options: { tick } }])
    } catch (error) {
      // Its module may be missing from the workers folder, and come back.
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

/** When it runs next, in milliseconds since the epoch; in the past if a tick was missed. */
export function nextTickAt(schedule: Schedule, now: number): number | undefined {
  const { cron, timezone } = schedule
  const last = lastAt(schedule)
  // A last tick that lies ahead was by a clock that has been set back since.
  const from = last > now + LOOK_EVERY_MS ? now : last
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
    throw refuse('/timezone', `${JSON.stringify(timezone)} is no time zone of the IANA database`)
  }
  const fields = cron.trim().split(/\s+/).length
  if (!cron.startsWith('@') && fields !== 5 && fields !== 6)
    throw refuse('/cron', `it has ${fields} fields, not 5 or 6`)
  let next: Date | null
  try {
    next = new Cron(cron, { timezone, paused: true }).nextRun()
  } catch (error) {
    throw refuse('/cron', (error as Error).message)
  }
  if (next === null) throw refuse('/cron', 'it never comes')
}

/** As a part of the schedule. */
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
