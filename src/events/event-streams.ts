/**
 * The open streams of events. Streams with the same filter and format are a group: their events are written once, every
 * 100 ms, and the same bytes go to each. A client that was cut comes back with the id of its last event.
 */
import type { Counts } from '../telemetry/counts.ts'
import type { AuditRow } from '../contract/audit.ts'
import type { EventFilter } from './event-filter.ts'
import type { EventLog, Gap } from './event-log.ts'
import type { LogBook, LogLine } from './log-book.ts'
import { JobRate } from './job-rate.ts'
import { HEARTBEAT_MS, OpenStreams, PART_CHARS, type StreamClient, type StreamTarget } from './open-streams.ts'
import type { StreamFormat } from './stream-format.ts'

/** How often events are written, in milliseconds. */
const FLUSH_EVERY_MS = 100
const STATS_EVERY_MS = 2_000
const MAX_STREAMS_OF_TOKEN = 10

export interface StreamRequest {
  filter: EventFilter
  format: StreamFormat
  /** A cursor that `EventLog.resume` takes. */
  start: { seq: number; gap?: Gap }
  /** What the client gave as a cursor, if it did. */
  resumed: boolean
  /** The first events show the present state of the services, in parts that make one event each. */
  snapshot: object[][]
  client: StreamClient
}

/** By service. */
type Numbers = Record<string, (number | null)[]>

export interface EventStreamsSettings {
  log: EventLog
  version: string
  /** Streams at the same time. */
  maxStreams: number
  /** Numbers of the services that have changed since the last call. */
  stats: () => Numbers
  /** The same of all nodes together, with what the call before has answered. */
  statsOfAll: (own: Numbers) => Numbers
  statsColumns: readonly string[]
  /** Lines of the log, for streams that ask for them. */
  book: LogBook
}

interface Group {
  readonly filter: EventFilter
  readonly format: StreamFormat
  readonly targets: Set<StreamTarget>
  readonly rate: JobRate
  /** The last event that was written to all of them. */
  seq: number
  /** Lines of the log, and rows of the audit, that are not written yet. */
  logText: string
}

export class EventStreams {
  readonly #settings: EventStreamsSettings
  readonly #groups = new Map<string, Group>()
  readonly #startedAt = new Date().toISOString()
  readonly #open = new OpenStreams()
  #flushTimer: NodeJS.Timeout | undefined
  readonly #statsTimer: NodeJS.Timeout
  #unfollowLog: (() => void) | undefined

  constructor(settings: EventStreamsSettings) {
    this.#settings = settings
    settings.log.onEvent = () => this.#schedule()
    this.#statsTimer = setInterval(() => this.#sendStats(), STATS_EVERY_MS).unref()
  }

  get count(): number {
    return this.#open.count
  }

  get cuts(): Counts<string> {
    return this.#open.cuts
  }

  /** Is there room for another stream, of this token? */
  hasRoom(token: string | undefined): boolean {
    if (this.count >= this.#settings.maxStreams) return false
    return token === undefined || this.#open.countOf(token) < MAX_STREAMS_OF_TOKEN
  }

  /** A stream that another node writes, to a client of this one. */
  lend(target: StreamTarget, client: StreamClient): void {
    this.#open.add(target, client)
  }

  /** Writes what the client has missed, and goes on until it leaves. */
  open(target: StreamTarget, { filter, format, start, resumed, snapshot, client }: StreamRequest): void {
    const { log } = this.#settings
    this.#open.add(target, client, format.heartbeat)
    if (filter.followsJobs) target.once('close', log.followJobs())
    // Until the client has what it missed, it must come back to where it was.
    const id = log.idOf(start.seq)
    target.write(format.preamble + this.#greeting(format, id, start.gap, resumed))
    for (const [at, services] of snapshot.entries())
      target.write(unlogged(format, id, 'snapshot', { services, last: at === snapshot.length - 1 }))
    let { seq } = start
    const missed = () => {
      let text = ''
      for (const event of log.after(seq, filter)) {
        text += format.event(log.idOf(event.seq), event.json)
        seq = event.seq
        if (text.length > PART_CHARS) break
      }
      return text
    }
    this.#open.writeParts(target, missed, () => this.#join(target, filter, format))
  }

  /** From here on the stream gets what its group gets. */
  #join(target: StreamTarget, filter: EventFilter, format: StreamFormat): void {
    const key = `${format.contentType} ${filter.key}`
    const { lastSeq: seq } = this.#settings.log
    const group = this.#groups.get(key) ?? { filter, format, targets: new Set(), rate: new JobRate(), seq, logText: '' }
    // So that this stream and the others of its group go on from the same event.
    this.#flush(group)
    this.#groups.set(key, group)
    group.targets.add(target)
    if (filter.wantsLogs) this.#unfollowLog ??= this.#settings.book.follow((line) => this.#onLine(line))
    target.once('close', () => {
      group.targets.delete(target)
      if (group.targets.size === 0) this.#groups.delete(key)
      if ([...this.#groups.values()].some((other) => other.filter.wantsLogs)) return
      this.#unfollowLog?.()
      this.#unfollowLog = undefined
    })
  }

  #onLine({ service, origin, time, json }: LogLine): void {
    this.#add('log', service, origin, time, `"line":${json}`)
  }

  /** A row was added to the audit. @param origin the other node that added it */
  audited({ at, ...row }: AuditRow, origin?: string): void {
    if (this.#groups.size === 0) return
    this.#add('audit', row.service ?? undefined, origin, at, JSON.stringify(row).slice(1, -1))
  }

  /** Events of another node may be missing, or were too many: says so on every stream. */
  tell(type: 'gap' | 'jobs.skipped', facts: object): void {
    for (const group of this.#groups.values()) {
      if (group.filter.ownOnly) continue
      // Behind the events before it.
      this.#flush(group)
      this.#send(group, unlogged(group.format, this.#settings.log.idOf(group.seq), type, facts))
    }
  }

  /** @param members of a JSON object, after id, type and time */
  #add(type: 'log' | 'audit', service: string | undefined, origin: string | undefined, time: number, members: string) {
    for (const group of this.#groups.values()) {
      const { filter, format } = group
      if (!filter.passes({ type, service, origin })) continue
      // The id of the stream stays that of the last event: lines and rows are in no ring of events.
      const id = this.#settings.log.idOf(group.seq)
      const at = new Date(time).toISOString()
      group.logText += format.event(id, `{"id":"${id}","type":"${type}","at":"${at}",${members}}`)
      this.#schedule()
    }
  }

  #greeting(format: StreamFormat, cursor: string, gap: Gap | undefined, resumed: boolean): string {
    const { log, version, statsColumns } = this.#settings
    const server = { boot: log.boot, version, startedAt: this.#startedAt }
    const hello = { server, cursor, resumed, heartbeatMs: HEARTBEAT_MS, statsColumns }
    return unlogged(format, cursor, 'hello', hello) + (gap === undefined ? '' : unlogged(format, cursor, 'gap', gap))
  }

  #schedule(): void {
    if (this.#groups.size === 0) return
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined
      for (const group of this.#groups.values()) this.#flush(group)
    }, FLUSH_EVERY_MS).unref()
  }

  /** Writes the events of a group since the last time. */
  #flush(group: Group): void {
    const { log } = this.#settings
    const { filter, format, rate } = group
    const events = log.after(group.seq, filter)
    group.seq = log.lastSeq
    let text = group.logText
    group.logText = ''
    for (const event of events) if (rate.admits(event)) text += format.event(log.idOf(event.seq), event.json)
    const skipped = rate.takeSkipped()
    if (skipped !== undefined) text += unlogged(format, log.cursor, 'jobs.skipped', skipped)
    else if (rate.isSkipping) this.#schedule()
    this.#send(group, text)
  }

  #send({ targets }: Group, text: string): void {
    if (text === '') return
    const bytes = Buffer.from(text)
    for (const target of targets) this.#open.write(target, bytes)
  }

  #sendStats(): void {
    const groups = [...this.#groups.values()].filter(({ filter }) => filter.wantsStats)
    if (groups.length === 0) return
    const own = this.#settings.stats()
    const all = this.#settings.statsOfAll(own)
    for (const group of groups) {
      const numbers = Object.entries(group.filter.ownOnly ? own : all)
      const services = Object.fromEntries(numbers.filter(([name]) => group.filter.hasService(name, 'stats')))
      if (Object.keys(services).length === 0) continue
      this.#send(group, unlogged(group.format, this.#settings.log.idOf(group.seq), 'stats', { services }))
    }
  }

  /** Writes what is left, and ends all streams. */
  close(): void {
    clearTimeout(this.#flushTimer)
    clearInterval(this.#statsTimer)
    for (const group of this.#groups.values()) this.#flush(group)
    this.#open.close()
  }
}

/** An event that is in no ring. Its id is that of the last event before it, which a client may come back with. */
function unlogged(format: StreamFormat, id: string, type: string, facts: object): string {
  return format.event(id, JSON.stringify({ id, type, at: new Date().toISOString(), ...facts }))
}
