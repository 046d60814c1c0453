/** Clients that follow the log. Lines are written every 100 ms; a client that does not read is cut, and can resume. */
import { LOG_LEVELS, type LogLevel } from '../contract/log.ts'
import type { LogBook, LogLine } from './log-book.ts'
import type { StreamTarget } from './event-streams.ts'
import type { StreamFormat } from './stream-format.ts'

const FLUSH_EVERY_MS = 100
const HEARTBEAT_MS = 15_000
const CHECK_EVERY_MS = 500
/** Bytes of a stream that its client has not read. */
const MAX_UNSENT_BYTES = 1024 * 1024

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

interface Follower {
  target: StreamTarget
  filter: LogFilter
  format: StreamFormat
  /** False once the client may read no more. */
  isAllowed: () => boolean
  text: string
}

export class LogStreams {
  readonly #book: LogBook
  readonly #followers = new Set<Follower>()
  readonly #heartbeatTimer: NodeJS.Timeout
  readonly #checkTimer: NodeJS.Timeout
  #flushTimer: NodeJS.Timeout | undefined
  #unfollow: (() => void) | undefined

  constructor(book: LogBook) {
    this.#book = book
    this.#heartbeatTimer = setInterval(() => {
      for (const follower of this.#followers) this.#write(follower, follower.format.heartbeat)
    }, HEARTBEAT_MS).unref()
    this.#checkTimer = setInterval(() => {
      for (const { target, isAllowed } of this.#followers) if (!isAllowed()) target.end()
    }, CHECK_EVERY_MS).unref()
  }

  get count(): number {
    return this.#followers.size
  }

  /** Writes each further line that passes, until the client leaves. */
  follow(target: StreamTarget, filter: LogFilter, format: StreamFormat, isAllowed: () => boolean): void {
    const follower: Follower = { target, filter, format, isAllowed, text: '' }
    this.#followers.add(follower)
    this.#unfollow ??= this.#book.follow((line) => this.#onLine(line))
    target.once('close', () => {
      this.#followers.delete(follower)
      if (this.#followers.size > 0) return
      this.#unfollow?.()
      this.#unfollow = undefined
    })
  }

  #onLine(line: LogLine): void {
    for (const follower of this.#followers) {
      if (!passes(line, follower.filter)) continue
      follower.text += follower.format.event(this.#book.idOf(line.seq), line.json)
      this.#flushTimer ??= setTimeout(() => this.#flush(), FLUSH_EVERY_MS).unref()
    }
  }

  #flush(): void {
    this.#flushTimer = undefined
    for (const follower of this.#followers) {
      const { text } = follower
      follower.text = ''
      this.#write(follower, text)
    }
  }

  #write({ target }: Follower, text: string): void {
    if (text === '') return
    target.write(text)
    if (target.writableLength > MAX_UNSENT_BYTES) target.destroy()
  }

  /** Ends the streams of a service that was deleted, or all of them. */
  end(reason: 'removed' | 'closing', service?: string): void {
    this.#flush()
    for (const { target, filter, format } of this.#followers) {
      if (service !== undefined && filter.service !== service) continue
      target.write(format.event(this.#book.idOf(this.#book.lastSeq), JSON.stringify({ type: 'end', reason })))
      target.end()
    }
  }

  close(): void {
    clearInterval(this.#heartbeatTimer)
    clearInterval(this.#checkTimer)
    clearTimeout(this.#flushTimer)
    this.end('closing')
  }
}
