/**
 * Schedules, as routes use them: stored, read, deleted. Their payloads stay in the store until they are needed. A schedule
 * that cannot run, because its service or its time zone does not exist any more, can be seen and deleted.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { EventSink } from '../contract/events.ts'
import type { ServiceLog } from '../contract/log.ts'
import { hasCode, ThreadplaneError } from '../contract/errors.ts'
import { METHOD_DEFAULTS } from '../contract/options.ts'
import type { Dispatcher } from './dispatcher.ts'
import { type Job, timestampOrNull } from './job.ts'
import type { JobTarget } from './job-target.ts'
import type { JobStore, Schedule, ScheduleSource } from './job-store.ts'
import type { OtherServers } from './other-servers.ts'
import { keyOf, KnownSchedule, noService, type ScheduleError } from './known-schedule.ts'
import { checkCron, checkPayload } from './schedule-checks.ts'
import { ScheduleRoom } from './schedule-room.ts'
import { ScheduleTicks } from './schedule-ticks.ts'
import { timings } from './timings.ts'

/** A list shows payloads up to this size. */
const MAX_LISTED_PAYLOAD_BYTES = 4 * 1024
/** Schedules whose next tick is calculated in one turn of the event loop, at the start. */
const READ_PER_TURN = 20
/** Schedules that cannot run and are named in the log of the start; the others are counted. */
const MAX_NAMED = 100

const DAMAGED = { code: 'VALIDATION_FAILED', message: 'its stored payload is damaged: PUT it again' } as const

export interface SchedulesOptions {
  store: JobStore
  dispatcher: Dispatcher
  log: ServiceLog
  events: EventSink
  /** `undefined` if the service does not exist. */
  targetOf: (name: string) => JobTarget | undefined
  /** Servers that cast the same schedules; `undefined`: there are none. */
  others?: OtherServers | undefined
}

/** A schedule as clients see it. */
export interface ScheduleStatus extends Schedule {
  nextAt: number | undefined
  error: ScheduleError | undefined
  /** `undefined` if it is too large for a list, or damaged. */
  payload: unknown
}

export class Schedules {
  readonly #options: SchedulesOptions
  /** By service and name. */
  readonly #known = new Map<string, KnownSchedule>()
  readonly #room = new ScheduleRoom(this.#known)
  /** Settles once the store has been read, or could not be. */
  #loaded: Promise<void> | undefined
  readonly #ticks: ScheduleTicks
  #retryTimer: NodeJS.Timeout | undefined
  /** Why the schedules could not be read, as it was logged. */
  #loggedFailure: string | undefined
  #closed = false

  constructor(options: SchedulesOptions) {
    this.#options = options
    this.#ticks = new ScheduleTicks(options, this.#known, (schedule) => this.#payload(schedule))
  }

  /** Reads the schedules from the store, in the background. If the store is unavailable, it is read again later. */
  load(): void {
    this.#loaded = this.#read()
    this.#loaded.catch((error: unknown) => {
      const { message } = error as Error
      if (!hasCode(error, 'JOURNAL_UNAVAILABLE') && message !== this.#loggedFailure) {
        this.#loggedFailure = message
        this.#options.log.error({ err: error }, 'the schedules cannot be read')
      }
      if (!this.#closed) this.#retryTimer = setTimeout(() => this.load(), timings.retryTickAfterMs).unref()
    })
  }

  async #read(): Promise<void> {
    const known = await this.#calculated(await this.#options.store.schedules())
    for (const [key, each] of known) this.#known.set(key, each)
    this.#reportUnusable()
    this.#ticks.arm()
  }

  async #calculated(schedules: Schedule[]): Promise<Map<string, KnownSchedule>> {
    const known = new Map<string, KnownSchedule>()
    for (const schedule of schedules) {
      if (known.size % READ_PER_TURN === READ_PER_TURN - 1) await nextTurn()
      known.set(keyOf(schedule), new KnownSchedule(schedule))
    }
    return known
  }

  /** Reads the schedules again: other servers that share the store have changed them. @throws JOURNAL_UNAVAILABLE */
  async readAgain(): Promise<void> {
    await this.#whenLoaded()
    const before = new Map([...this.#known].map(([key, { schedule }]) => [key, schedule]))
    const stored = await this.#options.store.schedules()
    const changed = stored.filter((schedule) => isOther(schedule, before.get(keyOf(schedule))))
    const keys = new Set(stored.map(keyOf))
    for (const [key, known] of await this.#calculated(changed)) this.#known.set(key, known)
    // Not one that was stored here while they were read.
    for (const key of before.keys()) if (!keys.has(key)) this.#known.delete(key)
    this.#ticks.arm()
  }

  #reportUnusable(): void {
    const { log } = this.#options
    let count = 0
    for (const known of this.#known.values()) {
      const why = known.unusable ?? this.#goneService(known.schedule)
      if (why === undefined) continue
      known.failure = why
      count += 1
      const { service, name } = known.schedule
      const text = 'a schedule cannot run: change or delete it'
      if (count <= MAX_NAMED) log.error({ err: why, service, schedule: name }, text)
    }
    if (count > MAX_NAMED) log.error(`${count - MAX_NAMED} more schedules cannot run`)
  }

  #goneService({ service }: Schedule): ScheduleError | undefined {
    return this.#options.targetOf(service) === undefined ? noService(service) : undefined
  }

  /** The schedules of a service, also of one that does not exist any more. @throws JOURNAL_UNAVAILABLE */
  async list(service: string): Promise<ScheduleStatus[]> {
    const known = await this.#of(service)
    const shown = known.filter(({ schedule }) => schedule.payloadBytes <= MAX_LISTED_PAYLOAD_BYTES)
    const names = shown.map(({ schedule }) => schedule.name)
    const payloads = names.length === 0 ? [] : await this.#answer(this.#options.store.schedulePayloads(service, names))
    const texts = new Map(names.map((name, index) => [name, payloads[index] ?? null]))
    return known.map((each) => this.#status(each, texts.get(each.schedule.name)))
  }

  /** All schedules, without their payloads: those whose next tick comes first are first. @throws JOURNAL_UNAVAILABLE */
  async all(): Promise<ScheduleStatus[]> {
    await this.#whenCurrent()
    const statuses = [...this.#known.values()].map((each) => this.#status(each, undefined))
    return statuses.sort((a, b) => (a.nextAt ?? Number.POSITIVE_INFINITY) - (b.nextAt ?? Number.POSITIVE_INFINITY) || 0)
  }

  /** What the store answers to a client. @throws JOURNAL_UNAVAILABLE */
  #answer<T>(answer: Promise<T>): Promise<T> {
    return this.#options.dispatcher.deadline.within(answer)
  }

  /** @throws JOURNAL_UNAVAILABLE while the schedules could not be read */
  async #whenLoaded(): Promise<void> {
    if (this.#loaded !== undefined) await this.#answer(this.#loaded)
  }

  /** Clients find what they have just stored on another server. @throws JOURNAL_UNAVAILABLE */
  async #whenCurrent(): Promise<void> {
    await (this.#options.others === undefined ? this.#whenLoaded() : this.#answer(this.readAgain()))
  }

  async #of(service: string): Promise<KnownSchedule[]> {
    await this.#whenCurrent()
    const known = [...this.#known.values()].filter(({ schedule }) => schedule.service === service)
    return known.sort((a, b) => (a.schedule.name < b.schedule.name ? -1 : 1))
  }

  /** @throws SCHEDULE_NOT_FOUND, JOURNAL_UNAVAILABLE */
  async get(service: string, name: string): Promise<ScheduleStatus> {
    const known = await this.#get(service, name)
    const [text] = await this.#answer(this.#options.store.schedulePayloads(service, [name]))
    return this.#status(known, text)
  }

  /** @param text its payload; `null` if that is damaged, `undefined` if it is not shown */
  #status(known: KnownSchedule, text: string | null | undefined): ScheduleStatus {
    const { schedule, nextAt, unusable, failure } = known
    const gone = this.#goneService(schedule)
    const last = failure?.code === 'SERVICE_NOT_FOUND' ? undefined : failure
    const error = unusable ?? gone ?? (text === null ? DAMAGED : last)
    const payload = typeof text === 'string' ? (JSON.parse(text) as unknown) : undefined
    return { ...schedule, nextAt: gone === undefined ? nextAt : undefined, error, payload }
  }

  async #get(service: string, name: string): Promise<KnownSchedule> {
    await this.#whenCurrent()
    const known = this.#known.get(keyOf({ service, name }))
    if (known !== undefined) return known
    const names = (await this.#of(service)).map(({ schedule }) => schedule.name)
    const there = names.length === 0 ? 'there are none' : `there are: ${names.slice(0, MAX_NAMED).join(', ')}`
    throw new ThreadplaneError('SCHEDULE_NOT_FOUND', `${service} has no schedule ${JSON.stringify(name)}; ${there}`, {
      service,
    })
  }

  /** All schedules that are known, also those of services that do not exist any more. */
  get known(): Iterable<Pick<KnownSchedule, 'schedule' | 'runs'>> {
    return this.#known.values()
  }

  /** All schedules that were made so. @throws JOURNAL_UNAVAILABLE */
  async ofSource(source: ScheduleSource): Promise<Schedule[]> {
    await this.#whenCurrent()
    return [...this.#known.values()].flatMap(({ schedule }) => (schedule.source === source ? [schedule] : []))
  }

  /** True if a service has schedules, also if the service does not exist any more. @throws JOURNAL_UNAVAILABLE */
  async has(service: string): Promise<boolean> {
    return (await this.#of(service)).length > 0
  }

  /**
   * Stores a schedule. True if it is new. One that had this name keeps `lastTickAt`; if cron expression or time zone are
   * other ones, the ticks that it has missed are not made up for.
   * @throws VALIDATION_FAILED, METHOD_NOT_FOUND, SERVICE_NOT_RUNNING, PAYLOAD_TOO_LARGE, CONFLICT, JOURNAL_UNAVAILABLE
   */
  async put(
    target: JobTarget,
    {
      payload,
      ...spec
    }: Pick<Schedule, 'service' | 'name' | 'cron' | 'timezone' | 'method' | 'source'> & { payload: unknown },
  ): Promise<boolean> {
    await this.#whenLoaded()
    const text = JSON.stringify(payload)
    const schedule = { ...spec, payloadBytes: Buffer.byteLength(text), createdAt: Date.now() }
    this.#room.check(schedule)
    await target.whenDescribed('cast', METHOD_DEFAULTS.timeoutMs)
    target.checkMethod(schedule.method)
    checkCron(schedule)
    checkPayload(target, schedule.method, payload)
    return this.#answer(this.#store(schedule, text))
  }

  /** True if it is new. */
  async #store(schedule: Omit<Schedule, 'lastTickAt'>, payload: string): Promise<boolean> {
    const key = keyOf(schedule)
    const stored = await this.#room.reserve(schedule, () => this.#options.store.putSchedule(schedule, payload))
    const known = this.#known.get(key)
    if (known === undefined) this.#known.set(key, new KnownSchedule(stored))
    else known.schedule = stored
    this.#ticks.arm()
    this.#tell('schedule.set', stored)
    return known === undefined
  }

  /** @throws SCHEDULE_NOT_FOUND, JOURNAL_UNAVAILABLE */
  async remove(service: string, name: string): Promise<void> {
    await this.#get(service, name)
    const removed = this.#options.store.removeSchedule(service, name).then(() => {
      this.#tell('schedule.removed', { service, name })
      this.#known.delete(keyOf({ service, name }))
      this.#ticks.arm()
    })
    await this.#answer(removed)
  }

  #tell(type: 'schedule.set' | 'schedule.removed', { service, name }: Pick<Schedule, 'service' | 'name'>): void {
    const nextAt = timestampOrNull(this.#known.get(keyOf({ service, name }))?.nextAt ?? null)
    this.#options.events.emit({ type, service, name, nextAt })
    this.#options.others?.schedules(service)
  }

  async removeAll(service: string): Promise<void> {
    for (const { schedule } of await this.#of(service)) await this.remove(service, schedule.name)
  }

  /** Casts the job of a schedule now. Its ticks do not change. @throws SCHEDULE_NOT_FOUND, METHOD_NOT_FOUND, VALIDATION_FAILED */
  async run(target: JobTarget, name: string): Promise<Job> {
    const { schedule } = await this.#get(target.name, name)
    const payload = await this.#answer(this.#payload(schedule))
    const request = { method: schedule.method, payload, options: { schedule: name } }
    const [accepted] = await this.#options.dispatcher.cast(target, [request])
    return (accepted as { job: Job }).job
  }

  /** @throws VALIDATION_FAILED if it is damaged */
  async #payload({ service, name }: Schedule): Promise<string> {
    const [payload = null] = await this.#options.store.schedulePayloads(service, [name])
    if (payload === null) throw new ThreadplaneError(DAMAGED.code, DAMAGED.message, { service, errors: [] })
    return payload
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retryTimer)
    this.#ticks.close()
  }
}

/** Is it to be calculated anew? Its ticks may have been cast by other servers meanwhile: that alone changes nothing. */
function isOther(schedule: Schedule, known: Schedule | undefined): boolean {
  const { lastTickAt: _, ...spec } = schedule
  const { lastTickAt: __, ...before } = known ?? ({} as Schedule)
  return !isDeepStrictEqual(spec, before)
}
