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
  /** A part of the line. */
  search?: string
  /** Whether the client may see the lines of a service; of the server itself for `undefined`. */
  sees?: (service: string | undefined) => boolean
}

function passes(line: LogLine, filter: LogFilter): boolean {
  return (
    (filter.service === undefined || line.service === filter.service) &&
    (filter.level === undefined || LOG_LEVELS.indexOf(line.level) >= LOG_LEVELS.indexOf(filter.level)) &&
    (filter.since === undefined || line.time >= filter.since) &&
    (filter.thread === undefined || line.thread === filter.thread) &&
    (filter.jobId === undefined || line.jobId === filter.jobId) &&
    (filter.attempt === undefined || line.attempt === filter.attempt) &&
    (filter.search === undefined || line.json.includes(filter.search)) &&
    (filter.sees === undefined || filter.sees(line.service))
  )
}

export interface LogRequest {
  filter: LogFilter
  format: StreamFormat
  /** Lines that are kept elsewhere too, with the ids that they had in the log. They are older than those of the log. */
  stored: readonly { id: string; json: string }[]
  /** So many of the last lines. */
  tail: number
  /** All lines after this id, in place of `tail`. */
  after?: string
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

  /** Writes the lines that are kept. Then the answer ends, or goes on with the lines to come until the client leaves. */
  write(target: StreamTarget, request: LogRequest): void {
    const { filter, format, follower } = request
    if (follower !== undefined) this.#open.add(target, follower, format.heartbeat)
    const parts = this.#parts(request)
    this.#open.writeParts(
      target,
      () => parts.next().value ?? '',
      () => (follower === undefined ? target.end() : this.#join(target, { filter, format, text: '' })),
    )
  }

  /** The lines that are kept, and for a client that follows also those that come while it reads. */
  *#parts({ filter, format, stored, tail, after, follower }: LogRequest): Generator<string, undefined> {
    const book = this.#book
    const until = follower === undefined ? book.lastSeq : Infinity
    const resumed = after === undefined ? undefined : book.seqOf(after)
    let seq = resumed ?? (after === undefined ? this.#beforeTail(filter, tail) : 0)
    // A client that asks for the last lines misses none of those before.
    const { droppedThrough: absent } = book.lines(filter.service, seq)
    let told = after === undefined ? absent : 0
    let text = format.preamble
    if (after !== undefined && resumed === undefined) {
      text += gap(format, after, { lost: null, reason: 'restart' })
      told = Infinity
    }
    for (const { id, json } of stored) if ((book.seqOf(id) ?? 0) <= absent) text += format.event(id, json)
    for (;;) {
      const { lines, droppedThrough } = book.lines(filter.service, seq)
      if (droppedThrough > Math.max(seq, told)) {
        text += gap(format, book.idOf(seq), { lost: droppedThrough - seq, reason: 'ring' })
        told = droppedThrough
      }
      for (const line of lines) {
        if (line.seq > until || text.length > PART_CHARS) break
        seq = line.seq
        if (passes(line, filter)) text += format.event(book.idOf(seq), line.json)
      }
      if (text === '') return
      yield text
      text = ''
    }
  }

  /** The number that the last `tail` lines come after. */
  #beforeTail(filter: LogFilter, tail: number): number {
    const { lines } = this.#book.lines(filter.service, 0)
    let left = tail
    for (let at = lines.length - 1; at >= 0; at -= 1) {
      const line = lines[at] as LogLine
      if (!passes(line, filter)) continue
      if (left === 0) return line.seq
      left -= 1
    }
    return 0
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
      target.end()
    }
  }

  close(): void {
    this.end('closing')
    this.#open.close()
  }
}

/** Says that lines are missing which a client comes back for. */
function gap(format: StreamFormat, id: string, facts: { lost: number | null; reason: 'restart' | 'ring' }): string {
  return format.event(id, JSON.stringify({ type: 'gap', ...facts }))
}
