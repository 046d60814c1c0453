/**
 * The open streams of events. Streams with the same filter and format are a group: their events are written once, every
 * 100 ms, and the same bytes go to each. A client that does not read is cut, and comes back with the id of its last event.
 */
import { Counts } from '../telemetry/counts.ts'
import type { AuditRow } from '../contract/audit.ts'
import type { EventFilter } from './event-filter.ts'
import type { EventLog, Gap } from './event-log.ts'
import type { LogBook, LogLine } from './log-book.ts'
import { JobRate } from './job-rate.ts'
import type { StreamFormat } from './stream-format.ts'

/** How often events are written, in milliseconds. */
const FLUSH_EVERY_MS = 100
const HEARTBEAT_MS = 15_000
const STATS_EVERY_MS = 2_000
const CHECK_EVERY_MS = 500
const MAX_STREAMS_OF_TOKEN = 10
/** Bytes of a stream that its client has not read. */
const MAX_UNSENT_BYTES = 1024 * 1024

/** Characters of what a client has missed that are written at a time. */
const PART_CHARS = 256 * 1024

/** Why a stream is ended before its client leaves: the client does not read, or its token allows no more. */
const CUT_REASONS = ['slow', 'token'] as const

/** What a stream is written to: a response of Node's server. */
export interface StreamTarget {
  readonly writableLength: number
  readonly destroyed: boolean
  readonly writableEnded: boolean
  write(bytes: Buffer | string): unknown
  end(): unknown
  destroy(): unknown
  once(event: 'close' | 'drain', listener: () => void): unknown
}

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

/** Who reads a stream. */
export interface StreamClient {
  /** The id of its token. */
  token: string | undefined
  /** False once the client may read no more. */
  isAllowed: () => boolean
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
  readonly cuts = new Counts(CUT_REASONS)
  readonly #settings: EventStreamsSettings
  readonly #groups = new Map<string, Group>()
  readonly #startedAt = new Date().toISOString()
  readonly #clients = new Map<StreamTarget, StreamClient>()
  #flushTimer: NodeJS.Timeout | undefined
  readonly #heartbeatTimer: NodeJS.Timeout
  readonly #statsTimer: NodeJS.Timeout
  readonly #checkTimer: NodeJS.Timeout
  #unfollowLog: (() => void) | undefined

  constructor(settings: EventStreamsSettings) {
    this.#settings = settings
    settings.log.onEvent = () => this.#schedule()
    this.#heartbeatTimer = setInterval(() => this.#beat(), HEARTBEAT_MS).unref()
    this.#statsTimer = setInterval(() => this.#sendStats(), STATS_EVERY_MS).unref()
    this.#checkTimer = setInterval(() => this.#endRefused(), CHECK_EVERY_MS).unref()
  }

  get count(): number {
    return this.#clients.size
  }

  /** Is there room for another stream, of this token? */
  hasRoom(token: string | undefined): boolean {
    if (this.#clients.size >= this.#settings.maxStreams) return false
    if (token === undefined) return true
    return [...this.#clients.values()].filter((client) => client.token === token).length < MAX_STREAMS_OF_TOKEN
  }

  /** Writes what the client has missed, and goes on until it leaves. */
  open(target: StreamTarget, { filter, format, start, resumed, snapshot, client }: StreamRequest): void {
    const { log } = this.#settings
    this.#clients.set(target, client)
    const unfollow = filter.followsJobs ? log.followJobs() : () => {}
    target.once('close', () => {
      this.#clients.delete(target)
      unfollow()
    })
    // Until the client has what it missed, it must come back to where it was.
    const id = log.idOf(start.seq)
    target.write(format.preamble + this.#greeting(format, id, start.gap, resumed))
    for (const [at, services] of snapshot.entries())
      target.write(unlogged(format, id, 'snapshot', { services, last: at === snapshot.length - 1 }))
    this.#catchUp(target, filter, format, start.seq)
  }

  /** Writes what was missed in parts, each when the one before is read. Then the stream joins its group. */
  #catchUp(target: StreamTarget, filter: EventFilter, format: StreamFormat, after: number): void {
    const { log } = this.#settings
    let seq = after
    while (!target.destroyed) {
      let text = ''
      for (const event of log.after(seq, filter)) {
        text += format.event(log.idOf(event.seq), event.json)
        seq = event.seq
        if (text.length > PART_CHARS) break
      }
      if (text === '') return this.#join(target, filter, format)
      if (target.write(text) === false) {
        target.once('drain', () => this.#catchUp(target, filter, format, seq))
        return
      }
    }
  }

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
    for (const target of targets) {
      target.write(bytes)
      if (target.writableLength <= MAX_UNSENT_BYTES || target.destroyed) continue
      this.cuts.add('slow')
      target.destroy()
    }
  }

  #beat(): void {
    for (const group of this.#groups.values()) this.#send(group, group.format.heartbeat)
  }

  /** Ends the streams of tokens that were revoked. */
  #endRefused(): void {
    for (const [target, { isAllowed }] of this.#clients) {
      if (target.writableEnded || isAllowed()) continue
      this.cuts.add('token')
      target.end()
    }
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
    clearInterval(this.#heartbeatTimer)
    clearInterval(this.#statsTimer)
    clearInterval(this.#checkTimer)
    for (const group of this.#groups.values()) {
      this.#flush(group)
      for (const target of group.targets) target.end()
    }
  }
}

/** An event that is in no ring. Its id is that of the last event before it, which a client may come back with. */
function unlogged(format: StreamFormat, id: string, type: string, facts: object): string {
  return format.event(id, JSON.stringify({ id, type, at: new Date().toISOString(), ...facts }))
}
