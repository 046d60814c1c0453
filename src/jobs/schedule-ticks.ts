/**
 * Casts the jobs of schedules when their ticks are due. Each tick casts one job, and both are stored in one transaction.
 * Ticks that were missed while the server was down are made up for by one job. Schedules do not wait for each other: a tick
 * that cannot be cast is tried again by itself, ever more rarely.
 */
import type { EventSink } from '../contract/events.ts'
import type { ServiceLog } from '../contract/log.ts'
import { hasCode, RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { JobTarget } from './job-target.ts'
import { timestampOrNull } from './job.ts'
import type { Schedule } from './job-store.ts'
import { keyOf, type KnownSchedule, noService } from './known-schedule.ts'

/** The longest timer: timers of Node have a limit, and the clock may be set meanwhile. */
const MAX_TIMER_MS = 60_000
/** Payloads of ticks that are being cast at the same time; one larger payload alone is let through. */
const TICKING_BYTES = 4 * 1024 * 1024
/** Thousands of schedules may be due at the same minute: a calculation of times takes 30 µs. */
const TICKS_PER_TURN = 100
/** A module that has not described itself at this try will hardly do so without help: that is logged. */
const LOGGED_TRY = 3

interface ScheduleTicksSettings {
  dispatcher: Dispatcher
  log: ServiceLog
  events: EventSink
  /** `undefined` if the service does not exist. */
  targetOf: (name: string) => JobTarget | undefined
}

export class ScheduleTicks {
  readonly #settings: ScheduleTicksSettings
  readonly #known: ReadonlyMap<string, KnownSchedule>
  readonly #payloadOf: (schedule: Schedule) => Promise<string>
  #timer: NodeJS.Timeout | undefined
  #arming = false
  /** Payloads of ticks that are being cast. */
  #bytes = 0
  #closed = false

  /** @param known the schedules by `keyOf`: call `arm` after each change */
  constructor(
    settings: ScheduleTicksSettings,
    known: ReadonlyMap<string, KnownSchedule>,
    payloadOf: (schedule: Schedule) => Promise<string>,
  ) {
    this.#settings = settings
    this.#known = known
    this.#payloadOf = payloadOf
  }

  /** Sets the timer anew, once for all changes of a turn of the event loop. */
  arm(): void {
    if (this.#arming) return
    this.#arming = true
    setImmediate(() => {
      this.#arming = false
      clearTimeout(this.#timer)
      if (this.#closed || this.#known.size === 0) return
      let waitMs = MAX_TIMER_MS
      for (const known of this.#known.values()) waitMs = Math.min(waitMs, known.waitMs)
      this.#timer = setTimeout(() => this.#tickAll(), waitMs).unref()
    })
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #tickAll(): void {
    const due: KnownSchedule[] = []
    for (const known of this.#known.values()) {
      if (known.waitMs === 0) due.push(known)
      else if (known.isAhead && !known.ticking) known.calculate()
    }
    due.sort((a, b) => (a.nextAt as number) - (b.nextAt as number))
    for (const known of due.slice(0, TICKS_PER_TURN)) {
      // The end of a tick calls `arm`.
      if (this.#bytes > 0 && this.#bytes + known.schedule.payloadBytes > TICKING_BYTES) return
      void this.#tick(known)
    }
    this.arm()
  }

  async #tick(known: KnownSchedule): Promise<void> {
    const { schedule, dueAt: at } = known
    const { service, name, method, payloadBytes } = schedule
    known.ticking = true
    this.#bytes += payloadBytes
    try {
      const target = this.#settings.targetOf(service)
      if (target === undefined) throw new ThreadplaneError('SERVICE_NOT_FOUND', noService(service).message)
      if (!target.described) throw notDescribed(service)
      const payload = await this.#payloadOf(schedule)
      const tick = { service, name, at }
      const jobId = await this.#settings.dispatcher.castTick(target, {
        method,
        payload,
        options: { schedule: tick.name, tick },
      })
      known.ticked(at, jobId !== undefined)
      if (jobId === undefined) return
      this.#settings.events.emit({
        type: 'schedule.fired',
        service,
        name,
        nextAt: timestampOrNull(known.nextAt ?? null),
        jobId,
      })
    } catch (error) {
      this.#notCast(known, error as Error, at)
    } finally {
      known.ticking = false
      this.#bytes -= payloadBytes
      this.arm()
    }
  }

  /** A tick waits for the journal, and for its service. After any other error the next tick is tried at its time. */
  #notCast(known: KnownSchedule, error: Error, at: number): void {
    // It was deleted meanwhile.
    if (this.#known.get(keyOf(known.schedule)) !== known) return
    const { service, name } = known.schedule
    const isUnavailable = hasCode(error, 'JOURNAL_UNAVAILABLE')
    const notDescribed = hasCode(error, 'SERVICE_NOT_RUNNING')
    let tries = 1
    if (isUnavailable || notDescribed || hasCode(error, 'SERVICE_NOT_FOUND')) tries = known.postpone()
    else known.skipped(at)
    // The store itself logs that it is unavailable, and a module may take a while to describe itself.
    if (isUnavailable || (notDescribed && tries < LOGGED_TRY)) return
    const isNew = known.fail(error)
    if (isNew) this.#settings.log.error({ err: error, service, schedule: name }, 'a scheduled job could not be cast')
  }
}

function notDescribed(service: string): ThreadplaneError {
  return new ThreadplaneError('SERVICE_NOT_RUNNING', `${service} has not described itself`, {
    service,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  })
}
