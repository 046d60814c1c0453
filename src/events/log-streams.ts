/** Writes lines of the log to clients: the last ones, and to clients that follow it, every 100 ms, those to come. */
import { LOG_LEVELS, type LogLevel } from '../contract/log.ts'
import type { LogBook, LogLine } from './log-book.ts'
import { OpenStreams, PART_CHARS, type StreamClient, type StreamTarget } from './open-streams.ts'
import type { StreamFormat } from './stream-format.ts'

const FLUSH_EVERY_MS = 100

/** Which lines a client asked for. */
export interface LogFilter {
  /** `undefined`: all services, and the server. */
  service?: string
  /** The lowest level. */
  level?: LogLevel
  /** Milliseconds since the epoch. */
  since?: number
  thread?: number
  jobId?: string
  attempt?: number
  /** Ids of lines of other nodes that the client has got already. */
  except?: ReadonlySet<string>
  /** A part of the line. */
  search?: string
  /** Whether the client may see the lines of a service; of the server itself for `undefined`. */
  sees?: (service: string | undefined) => boolean
}

export function passes(line: LogLine, filter: LogFilter): boolean {
  return (
    (filter.service === undefined || line.service === filter.service) &&
    (filter.level === undefined || LOG_LEVELS.indexOf(line.level) >= LOG_LEVELS.indexOf(filter.level)) &&
    (filter.since === undefined || line.time >= filter.since) &&
    (filter.thread === undefined || line.thread === filter.thread) &&
    (filter.jobId === undefined || line.jobId === filter.jobId) &&
    (filter.attempt === undefined || line.attempt === filter.attempt) &&
    (filter.except === undefined || line.originId === undefined || !filter.except.has(line.originId)) &&
    (filter.search === undefined || line.json.includes(filter.search)) &&
    (filter.sees === undefined || filter.sees(line.service))
  )
}

/** A line as it is shown to a client. */
export interface ShownLine {
  id: string
  /** Milliseconds since the epoch. */
  time: number
  json: string
}

/** Lines that a client gets first. */
export interface KeptLines {
  lines: ShownLine[]
  /** Before the lines, some are missing that the client has not got. `after`: the id of its last line. */
  gap: (GapFacts & { after: string }) | undefined
  /** Ids that lines of other nodes have there: they may come once more. */
  except: ReadonlySet<string>
  /** The number of the last line of the log when these were chosen. */
  seq: number
}

interface GapFacts {
  /** `null`: nobody knows how many. */
  lost: number | null
  reason: 'restart' | 'ring' | 'node'
}

export interface LogRequest {
  filter: LogFilter
  format: StreamFormat
  kept: KeptLines
  /** `undefined`: the answer ends with the last line. */
  follower?: StreamClient
}

interface Follower {
  filter: LogFilter
  format: StreamFormat
  /** Lines that are not written yet. */
  text: string
}

export class LogStreams {
  readonly #book: LogBook
  readonly #open = new OpenStreams()
  readonly #followers = new Map<StreamTarget, Follower>()
  #flushTimer: NodeJS.Timeout | undefined
  #unfollow: (() => void) | undefined

  constructor(book: LogBook) {
    this.#book = book
  }

  /** How many clients follow the log. */
  get count(): number {
    return this.#open.count
  }

  /** A stream that another node writes, to a client of this one. */
  lend(target: StreamTarget, client: StreamClient): void {
    this.#open.add(target, client)
  }

  /** Writes the lines that are kept. Then the answer ends, or goes on with the lines to come until the client leaves. */
  write(target: StreamTarget, { format, kept, follower, ...request }: LogRequest): void {
    if (follower !== undefined) this.#open.add(target, follower, format.heartbeat)
    const filter = kept.except.size === 0 ? request.filter : { ...request.filter, except: kept.except }
    const parts = inParts(this.#texts(filter, format, kept, follower !== undefined))
    this.#open.writeParts(
      target,
      () => parts.next().value ?? '',
      () => (follower === undefined ? target.end() : this.#join(target, { filter, format, text: '' })),
    )
  }

  /** The lines that are kept, and for a client that follows also those that come while it reads. */
  *#texts(filter: LogFilter, format: StreamFormat, kept: KeptLines, follows: boolean): Generator<string> {
    yield format.preamble
    if (kept.gap !== undefined) yield gapText(format, kept.gap)
    for (const { id, json } of kept.lines) yield format.event(id, json)
    let { seq } = kept
    while (follows && this.#book.lastSeq > seq) {
      const own = this.#book.lines(filter.service, seq)
      const foreign = this.#book.foreign(seq)
      const after = this.#book.idOf(seq)
      if (own.droppedThrough > seq) yield gapText(format, { after, lost: own.droppedThrough - seq, reason: 'ring' })
      if (foreign.droppedThrough > seq) yield gapText(format, { after, lost: null, reason: 'node' })
      const lines = [...own.lines, ...foreign.lines].sort((a, b) => a.seq - b.seq)
      seq = this.#book.lastSeq
      for (const line of lines) if (passes(line, filter)) yield format.event(this.#book.idOf(line.seq), line.json)
    }
  }

  /** From here on the client gets each line that passes. */
  #join(target: StreamTarget, follower: Follower): void {
    this.#followers.set(target, follower)
    this.#unfollow ??= this.#book.follow((line) => this.#onLine(line))
    target.once('close', () => {
      this.#followers.delete(target)
      if (this.#followers.size > 0) return
      this.#unfollow?.()
      this.#unfollow = undefined
    })
  }

  #onLine(line: LogLine): void {
    for (const follower of this.#followers.values()) {
      if (!passes(line, follower.filter)) continue
      follower.text += follower.format.event(this.#book.idOf(line.seq), line.json)
      this.#flushTimer ??= setTimeout(() => this.#flush(), FLUSH_EVERY_MS).unref()
    }
  }

  #flush(): void {
    clearTimeout(this.#flushTimer)
    this.#flushTimer = undefined
    for (const [target, follower] of this.#followers) {
      if (follower.text !== '') this.#open.write(target, follower.text)
      follower.text = ''
    }
  }

  /** Ends the streams of a service that was deleted, or all of them. */
  end(reason: 'removed' | 'closing', service?: string): void {
    this.#flush()
    for (const [target, { filter, format }] of this.#followers) {
      if (service !== undefined && filter.service !== service) continue
      this.#open.write(
        target,
        format.event(this.#book.idOf(this.#book.lastSeq), JSON.stringify({ type: 'end', reason })),
      )
      this.#open.end(target)
    }
  }

  close(): void {
    this.end('closing')
    this.#open.close()
  }
}

/** Says that lines are missing which a client comes back for. */
function gapText(format: StreamFormat, { after, ...facts }: GapFacts & { after: string }): string {
  return format.event(after, JSON.stringify({ type: 'gap', ...facts }))
}

/** Joins texts to parts that are long enough to be written. */
function* inParts(texts: Iterable<string>): Generator<string, undefined> {
  let part = ''
  for (const text of texts) {
    part += text
    if (part.length <= PART_CHARS) continue
    yield part
    part = ''
  }
  if (part !== '') yield part
}
