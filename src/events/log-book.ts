/**
 * The last lines of the log, of each service and of the server itself, for clients. Everything that the server and its
 * services log passes here on its way to standard output. A service keeps its lines over restarts and reloads.
 */
import { parseCursor } from '../contract/cursor.ts'
import { toWireError } from '../contract/errors.ts'
import { LOG_LEVELS, type LogLevel, type ServiceLog } from '../contract/log.ts'
import { Counts } from '../telemetry/counts.ts'
import { Ring } from './ring.ts'

/** Of each service, and of the server. */
const MAX_LINES = 2_000
const MAX_LINES_CHARS = 512 * 1024
/** Of a failed attempt: the last lines, which are kept with its job. */
const MAX_ATTEMPT_LINES = 64
const MAX_ATTEMPT_BYTES = 16 * 1024
/** Of the message of a line that is too long. */
const CUT_MESSAGE_CHARS = 2_000
/** A longer line is kept without its own fields, and with the beginning of its message. */
const MAX_LINE_CHARS = 32 * 1024

export interface LogLine {
  /** Lines are numbered, over all services. */
  seq: number
  time: number
  level: LogLevel
  /** `undefined`: the server itself. */
  service: string | undefined
  /** The id of the other node that wrote it. */
  origin: string | undefined
  /** Its id there. */
  originId: string | undefined
  thread: number | undefined
  jobId: string | undefined
  attempt: number | undefined
  /** One line of JSON, as clients get it. */
  json: string
}

/** A line as another node wrote it. */
export interface ForeignLine extends Pick<LogLine, 'level' | 'service' | 'thread' | 'jobId' | 'attempt'> {
  id: string
  time: string
}

class Lines {
  readonly ring = new Ring<LogLine>(MAX_LINES, MAX_LINES_CHARS)
  readonly counts = new Counts(LOG_LEVELS)
  /** How many lines its threads have not sent, as they were too many. */
  unsent = 0
}

export class LogBook {
  /** Of this start of the server: ids of lines begin with it. */
  readonly boot: string
  /** The level that a service has of its own, if it has one. Set once there are services. */
  levelOf: (service: string) => LogLevel | undefined = () => undefined
  readonly #least: number
  /** By service; '' is the server itself. */
  readonly #books = new Map<string, Lines>()
  readonly #listeners = new Set<(line: LogLine) => void>()
  #lastSeq = 0

  /** Lines of other nodes, while somebody looks at them here. */
  readonly #foreign = new Lines()
  readonly #node: { node: string } | undefined

  /** @param least the lowest level that is kept; @param node the name of this node, if there are others */
  constructor(boot: string, least: LogLevel, node?: string) {
    this.boot = boot
    this.#node = node === undefined ? undefined : { node }
    this.#least = LOG_LEVELS.indexOf(least)
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  idOf(seq: number): string {
    return `${this.boot}-${seq}`
  }

  /** The number of the line with this id; `undefined` if no line of this start of the server can have it. */
  seqOf(id: string): number | undefined {
    const cursor = parseCursor(id)
    return cursor?.boot === this.boot ? cursor.seq : undefined
  }

  /** A log that keeps each line here, and writes it to another log. */
  over(log: ServiceLog): ServiceLog {
    const writer = (level: LogLevel) => {
      const write = log[level].bind(log) as (...args: unknown[]) => void
      const rank = LOG_LEVELS.indexOf(level)
      return (...args: unknown[]) => {
        const { service, thread } = (typeof args[0] === 'object' ? args[0] : {}) as Record<string, unknown>
        // Only lines of its threads: what the server says of a service does not depend on what the service logs.
        const own = typeof service === 'string' && thread !== undefined ? this.levelOf(service) : undefined
        if (own !== undefined && rank < LOG_LEVELS.indexOf(own)) return
        if (own !== undefined || rank >= this.#least) this.#keep(level, args)
        write(...args)
      }
    }
    const levels = Object.fromEntries(LOG_LEVELS.map((level) => [level, writer(level)])) as unknown as ServiceLog
    const countDropped = (service: string, lines: number) => {
      this.#of(service).unsent += lines
    }
    return { ...levels, countDropped }
  }

  #keep(level: LogLevel, [first, second]: unknown[]): void {
    const fields = typeof first === 'object' && first !== null ? (first as Record<string, unknown>) : {}
    const msg = typeof first === 'string' ? first : typeof second === 'string' ? second : ''
    this.#lastSeq += 1
    const seq = this.#lastSeq
    const time = Date.now()
    const { service, thread, jobId, attempt } = fields
    const own = { id: this.idOf(seq), time: new Date(time).toISOString(), level, ...this.#node }
    const line: LogLine = {
      seq,
      time,
      level,
      service: typeof service === 'string' ? service : undefined,
      origin: undefined,
      originId: undefined,
      thread: typeof thread === 'number' ? thread : undefined,
      jobId: typeof jobId === 'string' ? jobId : undefined,
      attempt: typeof attempt === 'number' ? attempt : undefined,
      json: toJson({ ...own, ...fields, msg }, { ...own, service, thread, jobId, attempt, msg }),
    }
    const { ring, counts } = this.#of(line.service ?? '')
    ring.push(line)
    counts.add(level)
    for (const listener of this.#listeners) listener(line)
  }

  /** From now on lines of other nodes are merged: those before may be missing. */
  mergesFromNow(): void {
    this.#lastSeq += 1
    this.#foreign.ring.droppedThrough = this.#lastSeq
  }

  /** A line of another node. */
  adopt(foreign: ForeignLine, origin: string): void {
    this.#lastSeq += 1
    const seq = this.#lastSeq
    const { id, time, level, service, thread, jobId, attempt } = foreign
    const known = { level, service, thread, jobId, attempt, origin, originId: id }
    const line = { ...known, seq, time: Date.parse(time), json: JSON.stringify({ ...foreign, id: this.idOf(seq) }) }
    this.#foreign.ring.push(line)
    for (const listener of this.#listeners) listener(line)
  }

  /** Lines of other nodes after one with a number. */
  foreign(seq: number): { lines: LogLine[]; droppedThrough: number } {
    const { ring } = this.#foreign
    return { lines: ring.after(seq), droppedThrough: ring.droppedThrough }
  }

  /** When the line with a number was written, if it is kept: milliseconds since the epoch. */
  timeOf(seq: number): number | undefined {
    const kept = [...this.lines(undefined, seq - 1).lines, ...this.foreign(seq - 1).lines]
    return kept.find((line) => line.seq === seq)?.time
  }

  #of(service: string): Lines {
    let lines = this.#books.get(service)
    if (lines === undefined) {
      lines = new Lines()
      this.#books.set(service, lines)
    }
    return lines
  }

  /** What was counted of a service, or of the server itself (`''`), since the start of the server. */
  counted(service: string): { lines: Counts<LogLevel>; dropped: number } {
    const { counts, unsent } = this.#books.get(service) ?? new Lines()
    return { lines: counts, dropped: unsent }
  }

  /** The lines after a number, of a service, of the server itself (`''`), or of all, in their order. */
  lines(service: string | undefined, after: number): { lines: LogLine[]; droppedThrough: number } {
    const books = service === undefined ? [...this.#books.values()] : [this.#books.get(service) ?? new Lines()]
    const lines = books.flatMap(({ ring }) => ring.after(after))
    if (books.length > 1) lines.sort((a, b) => a.seq - b.seq)
    return { lines, droppedThrough: Math.max(0, ...books.map(({ ring }) => ring.droppedThrough)) }
  }

  /** The last lines of an attempt, as lines of JSON. */
  lastLinesOf(service: string, jobId: string, attempt: number): string {
    const found: string[] = []
    let bytes = 0
    for (const line of this.lines(service, 0).lines.toReversed()) {
      if (line.jobId !== jobId || line.attempt !== attempt) continue
      bytes += Buffer.byteLength(line.json) + 1
      if (bytes > MAX_ATTEMPT_BYTES && found.length > 0) break
      found.push(bytes > MAX_ATTEMPT_BYTES ? withoutFields(line.json) : line.json)
      if (found.length === MAX_ATTEMPT_LINES) break
    }
    return found.reverse().join('\n')
  }

  /** Calls a function with each further line. Returns what ends that. */
  follow(listener: (line: LogLine) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The service was deleted. */
  forget(service: string): void {
    this.#books.delete(service)
  }
}

function toJson(whole: object, short: Record<string, unknown> & { msg: string }): string {
  try {
    const json = JSON.stringify(whole, (_key, value: unknown) => (value instanceof Error ? shown(value) : value))
    if (json.length <= MAX_LINE_CHARS) return json
  } catch {
    // A field cannot be serialised.
  }
  return withMessageCut(short)
}

function withoutFields(json: string): string {
  const { id, time, level, service, thread, jobId, attempt, msg } = JSON.parse(json) as Record<string, string>
  return withMessageCut({ id, time, level, service, thread, jobId, attempt, msg: String(msg) })
}

function withMessageCut(line: { msg: string } & Record<string, unknown>): string {
  return JSON.stringify({ ...line, msg: line.msg.slice(0, CUT_MESSAGE_CHARS) })
}

function shown(error: Error): object {
  const { facts: _facts, ...rest } = toWireError(error)
  return rest
}
