/**
 * Everything a service's thread writes goes to the server's log line by line: `logger`, `console.*`, and what is
 * written to stdout and stderr. Bounded here, inside the thread: a flood in one turn never yields to the parent.
 */
import { format } from 'node:util'
import { LOG_LEVELS, type LogLevel } from '../contract/log.ts'
import { toWireError } from '../contract/errors.ts'
import type { MessageBatcher } from '../async/message-batcher.ts'
import { type ThreadMessage } from '../protocol/messages.ts'
import type { LogFunction, ServiceLogger } from '../module/define-service.ts'
import { FloodGauge } from './flood-limit.ts'

const MAX_LINE_CHARS = 8_192
const MAX_LINES_PER_SECOND = 1_000
/** With fields: what the control thread writes of one thread within a second costs it some milliseconds. */
const MAX_CHARS_PER_SECOND = 1024 * 1024
/** Lines that are dropped cost the control thread nothing; so many are no log any more. Of a long one each KiB counts. */
const FLOOD = { what: 'log lines', most: 1_000_000, periodMs: 60_000 }

export class ThreadLogger {
  readonly #batcher: MessageBatcher<ThreadMessage>
  readonly #flood: FloodGauge
  #windowEndsAt = 0
  #lines = 0
  #chars = 0
  #dropped = 0

  /** @param flooded ends the thread, for this reason */
  constructor(batcher: MessageBatcher<ThreadMessage>, flooded: (reason: Error) => void) {
    this.#batcher = batcher
    this.#flood = new FloodGauge(FLOOD, flooded)
  }

  /** A logger whose lines carry the id of a job, if given. */
  for(jobId?: string): ServiceLogger {
    const log =
      (level: LogLevel): LogFunction =>
      (first: string | Record<string, unknown>, message?: string) => {
        if (typeof first === 'string') this.write(level, first, undefined, jobId)
        // From JavaScript a message may be anything.
        else this.write(level, typeof message === 'string' ? message : format(message ?? ''), first, jobId)
      }
    return Object.fromEntries(LOG_LEVELS.map((level) => [level, log(level)])) as unknown as ServiceLogger
  }

  write(level: LogLevel, text: string, given?: Record<string, unknown>, jobId?: string): void {
    if (!this.#hasRoom(text.length)) return
    const message = truncate(text)
    const fields = given === undefined ? undefined : serializeFields(given)
    this.#lines += 1
    this.#chars += message.length + (fields?.length ?? 0)
    this.#batcher.push({
      type: 'log',
      level,
      message,
      ...(fields !== undefined && { fields }),
      ...(jobId !== undefined && { jobId }),
    })
  }

  #hasRoom(chars: number): boolean {
    const now = performance.now()
    this.#flood.count(now, 1 + Math.floor(chars / 1_024))
    if (now >= this.#windowEndsAt) {
      this.#tellDropped()
      this.#windowEndsAt = now + 1_000
      this.#lines = 0
      this.#chars = 0
    }
    if (this.#lines < MAX_LINES_PER_SECOND && this.#chars < MAX_CHARS_PER_SECOND) return true
    // Also where no line follows.
    if (this.#dropped === 0) setTimeout(() => this.#tellDropped(), this.#windowEndsAt - now).unref()
    this.#dropped += 1
    return false
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return
    const most = `${MAX_LINES_PER_SECOND} a second are kept, of ${MAX_CHARS_PER_SECOND} characters`
    const message = `${this.#dropped} log lines were dropped: at most ${most}`
    this.#dropped = 0
    this.#batcher.push({ type: 'log', level: 'warn', message })
  }

  /** Sends `console.*`, stdout and stderr of this thread here. */
  captureOutput(): void {
    const levels = { log: 'info', info: 'info', debug: 'debug', warn: 'warn', error: 'error', trace: 'trace' } as const
    for (const [name, level] of Object.entries(levels) as [keyof typeof levels, LogLevel][]) {
      console[name] = (...args: unknown[]) => this.write(level, format(...args))
    }
    this.#captureStream(process.stdout, 'info')
    this.#captureStream(process.stderr, 'warn')
  }

  #captureStream(stream: NodeJS.WriteStream, level: LogLevel): void {
    let rest = ''
    stream.write = ((chunk: string | Uint8Array, encoding?: unknown, callback?: unknown) => {
      const text = rest + (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'))
      // One by one: a list of all lines of a large text may be what a thread has no memory for.
      let from = 0
      for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
        this.write(level, text.slice(from, end))
        from = end + 1
      }
      rest = text.slice(from)
      if (rest.length > MAX_LINE_CHARS) {
        this.write(level, rest)
        rest = ''
      }
      const done = typeof encoding === 'function' ? encoding : callback
      if (typeof done === 'function') process.nextTick(done as () => void)
      return true
    }) as typeof stream.write
  }
}

function truncate(text: string): string {
  return text.length <= MAX_LINE_CHARS ? text : `${text.slice(0, MAX_LINE_CHARS)}… (${text.length} characters)`
}

/** JSON, so that a field can be anything: what cannot be told is left out. */
function serializeFields(fields: Record<string, unknown>): string {
  try {
    const json = JSON.stringify(fields, (_key, value: unknown) => {
      if (value instanceof Error) return toWireError(value)
      return typeof value === 'bigint' ? value.toString() : value
    })
    return json.length <= MAX_LINE_CHARS ? json : JSON.stringify({ truncated: truncate(json) })
  } catch (error) {
    return JSON.stringify({ fieldsNotSerializable: String(error) })
  }
}
