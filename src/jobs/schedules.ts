/**
 * Casts by the clock. Each tick is one job: the job and the tick are kept in one transaction. A tick that was missed,
 * because the server was down, runs once.
 */
import { Cron } from 'croner'
import { hasCode, ThreadplaneError } from '../errors.ts'
import type { ServiceLog } from '../service/service.ts'
import type { SupervisedService } from '../supervised-service.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Job } from './job.ts'
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
  serviceOf: (name: string) => SupervisedService
}

export class Schedules {
  readonly #options: SchedulesOptions
  readonly #schedules = new Map<string, Schedule>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: SchedulesOptions) {
    this.#options = options
  }

  async load(): Promise<void> {
    for (const schedule of await this.#options.store.schedules()) this.#schedules.set(keyOf(schedule), schedule)
    this.#arm()
  }

  of(service: string): Schedule[] {
    return [...this.#schedules.values()].filter((schedule) => schedule.service === service)
  }

  /** @throws SCHEDULE_NOT_FOUND */
  get(service: string, name: string): Schedule {
    const schedule = this.#schedules.get(keyOf({ service, name }))
    if (schedule !== undefined) return schedule
    const names = this.of(service).map((other) => other.name)
    const there = names.length === 0 ? 'there are none' : `there are: ${names.join(', ')}`
    throw new ThreadplaneError('SCHEDULE_NOT_FOUND', `${service} has no schedule ${JSON.stringify(name)}; ${there}`, {
      service,
    })
  }

  /** True if it is new. @throws VALIDATION_FAILED, METHOD_NOT_FOUND, CONFLICT, JOURNAL_UNAVAILABLE */
  async put(service: SupervisedService, schedule: Omit<Schedule, 'createdAt' | 'lastTickAt'>): Promise<boolean> {
    service.contract.method(schedule.method)
    service.contract.validate(schedule.method, schedule.payload)
    refuseBadCron(schedule)
    const known = this.#schedules.get(keyOf(schedule))
    if (known === undefined && this.of(service.name).length >= MAX_SCHEDULES) {
      throw new ThreadplaneError('CONFLICT', `${service.name} has ${MAX_SCHEDULES} schedules already`)
    }
    // What it missed by its old clock is not made up for by its new one.
    const kept: Schedule = { ...schedule, createdAt: Date.now(), lastTickAt: null }
    await this.#options.store.putSchedule(kept)
    this.#schedules.set(keyOf(kept), kept)
    this.#arm()
    return known === undefined
  }

  /** @throws SCHEDULE_NOT_FOUND */
  async remove(service: string, name: string): Promise<void> {
    this.get(service, name)
    await this.#options.store.removeSchedule(service, name)
    this.#schedules.delete(keyOf({ service, name }))
    this.#arm()
  }

  async removeAll(service: string): Promise<void> {
    for (const { name } of this.of(service)) await this.remove(service, name)
  }

  /** Casts its job now, which changes nothing of its clock. @throws SCHEDULE_NOT_FOUND, METHOD_NOT_FOUND */
  async run(service: string, name: string): Promise<Job> {
    const { method, payload } = this.get(service, name)
    const target = this.#options.serviceOf(service)
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
    clearTimeout(this.#timer)
    if (this.#closed || this.#schedules.size === 0) return
    const next = Math.min(
      ...[...this.#schedules.values()].map((schedule) => nextTickAt(schedule) ?? Number.POSITIVE_INFINITY),
    )
    this.#armIn(Math.min(Math.max(next - Date.now(), 0), LOOK_EVERY_MS))
  }

  #armIn(delayMs: number): void {
    this.#timer = setTimeout(() => void this.#tickAll(), delayMs).unref()
  }

  async #tickAll(): Promise<void> {
    const now = Date.now()
    const due = [...this.#schedules.values()].filter(
      (schedule) => (nextTickAt(schedule) ?? Number.POSITIVE_INFINITY) <= now,
    )
    const ticked = await Promise.all(due.map((schedule) => this.#tick(schedule, now)))
    if (this.#closed) return
    if (ticked.every(Boolean)) this.#arm()
    else this.#armIn(RETRY_AFTER_MS)
  }

  /** False if the tick could not be kept, and is still to come. */
  async #tick(schedule: Schedule, now: number): Promise<boolean> {
    const { dispatcher, log, serviceOf } = this.#options
    const { service, name, method, payload } = schedule
    const target = serviceOf(service)
    // Its module has not described itself since the start.
    if (target.contract.description === undefined) return false
    try {
      const tick = { service, name, at: now }
      await dispatcher.cast(target, [{ method, payload: JSON.stringify(payload), options: { tick } }])
    } catch (error) {
      if (hasCode(error, 'JOURNAL_UNAVAILABLE')) return false
      log.error({ err: error, service, schedule: name }, 'a scheduled job could not be cast')
    }
    schedule.lastTickAt = now
    return true
  }
}

/** When it runs next, in milliseconds since the epoch; in the past if a tick was missed. */
export function nextTickAt({ cron, timezone, lastTickAt, createdAt }: Schedule): number | undefined {
  return new Cron(cron, { timezone, paused: true }).nextRun(new Date(lastTickAt ?? createdAt))?.getTime()
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
  try {
    new Cron(cron, { timezone, paused: true }).nextRun()
  } catch (error) {
    throw refuse('/cron', (error as Error).message)
  }
}

function keyOf({ service, name }: Pick<Schedule, 'service' | 'name'>): string {
  return `${service}/${name}`
}
