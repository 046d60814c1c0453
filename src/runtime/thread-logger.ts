/**
 * Sends all that a service's thread writes to the server's log, line by line: `logger`, `console.*`, stdout and stderr.
 * The number and length of lines are limited here, inside the thread (P5), because a thread that logs in a loop never
 * reads a message of the control thread.
 */
import { StringDecoder } from 'node:string_decoder'
import { format } from 'node:util'
import type { MessageBatcher } from '../async/message-batcher.ts'
import { toWireError } from '../contract/errors.ts'
import { LOG_LEVELS, type LogLevel } from '../contract/log.ts'
import type { LogFunction, ServiceLogger } from '../module/define-service.ts'
import type { LogOrigin, ThreadMessage } from '../protocol/messages.ts'
import { FloodLimit } from './flood-limit.ts'

const MAX_LINE_CHARS = 8_192
const MAX_LINES_PER_SECOND = 1_000
/** Characters of messages and fields. To write so many costs the control thread some milliseconds. */
const MAX_CHARS_PER_SECOND = 1024 * 1024
/**
 * A thread that logs more than this crashes, though lines that are dropped cost the control thread nothing: it does
 * nothing but log. A long line counts once more for each KiB.
 */
const FLOOD = { what: 'log lines', most: 1_000_000, periodMs: 60_000 }

export class ThreadLogger {
  readonly #batcher: MessageBatcher<ThreadMessage>
  readonly #flood: FloodLimit
  #windowEndsAt = 0
  #lines = 0
  #chars = 0
  #dropped = 0
  /** Of stdout and stderr. */
  readonly #lineEnds: (() => void)[] = []

  /** @param onFlood called when the thread logs far too much; it has to end the thread */
  constructor(batcher: MessageBatcher<ThreadMessage>, onFlood: (error: Error) => void) {
    this.#batcher = batcher
    this.#flood = new FloodLimit(FLOOD, onFlood)
  }

  /** A logger for a handler, whose lines say which method of which job has logged them, or for a hook. */
  for(of?: LogOrigin): ServiceLogger {
    const log =
      (level: LogLevel): LogFunction =>
      (first: string | Record<string, unknown>, message?: string) => {
        if (typeof first === 'string') this.write(level, first, undefined, of)
        // A module in JavaScript can pass anything as the message.
        else this.write(level, typeof message === 'string' ? message : format(message ?? ''), first, of)
      }
    return Object.fromEntries(LOG_LEVELS.map((level) => [level, log(level)])) as unknown as ServiceLogger
  }

  write(level: LogLevel, text: string, fields?: Record<string, unknown>, of?: LogOrigin): void {
    if (!this.#hasRoom(text.length)) return
    const message = truncate(text)
    const json = fields === undefined ? undefined : serializeFields(fields)
    this.#lines += 1
    this.#chars += message.length + (json?.length ?? 0)
    this.#batcher.push({
      type: 'log',
      level,
      message,
      ...(json !== undefined && { fields: json }),
      ...(of !== undefined && { of }),
    })
  }

  #hasRoom(chars: number): boolean {
    const now = performance.now()
    this.#flood.count(now, 1 + Math.floor(chars / 1_024))
    if (now >= this.#windowEndsAt) {
      this.#reportDropped()
      this.#windowEndsAt = now + 1_000
      this.#lines = 0
      this.#chars = 0
    }
    if (this.#lines < MAX_LINES_PER_SECOND && this.#chars < MAX_CHARS_PER_SECOND) return true
    // By a timer, as no other line may follow.
    if (this.#dropped === 0) setTimeout(() => this.#reportDropped(), this.#windowEndsAt - now).unref()
    this.#dropped += 1
    return false
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return
    const most = `${MAX_LINES_PER_SECOND} a second are kept, of ${MAX_CHARS_PER_SECOND} characters`
    const dropped = this.#dropped
    const message = `${dropped} log lines were dropped: at most ${most}`
    this.#dropped = 0
    this.#batcher.push({ type: 'log', level: 'warn', message, dropped })
  }

  /** Redirects `console.*`, stdout and stderr of this thread to this logger. */
  captureOutput(): void {
    const levels = { log: 'info', info: 'info', debug: 'debug', warn: 'warn', error: 'error' } as const
    for (const [name, level] of Object.entries(levels) as [keyof typeof levels, LogLevel][]) {
      console[name] = (...args: unknown[]) => this.write(level, format(...args))
    }
    console.trace = (...args: unknown[]) => {
      const trace = { name: 'Trace', message: format(...args) }
      Error.captureStackTrace(trace, console.trace)
      this.write('warn', (trace as Error).stack ?? trace.message)
    }
    this.#captureStream(process.stdout, 'info')
    this.#captureStream(process.stderr, 'warn')
  }

  /** Writes what stdout and stderr were given after their last line break. */
  readonly endLines = (): void => {
    for (const endLine of this.#lineEnds) endLine()
  }

  #captureStream(stream: NodeJS.WriteStream, level: LogLevel): void {
    // Keeps the bytes of a character that is cut between two chunks.
    const decoder = new StringDecoder('utf8')
    let rest = ''
    this.#lineEnds.push(() => {
      rest += decoder.end()
      if (rest !== '') this.write(level, rest)
      rest = ''
    })
    stream.write = ((chunk: string | Uint8Array, encoding?: unknown, callback?: unknown) => {
      const text = rest + decoder.write(bytesOf(chunk, encoding))
      // Without `split`: a list of all lines of a large text may exceed the memory of the thread.
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

/** What `write` of a stream was given. @throws TypeError if Node's own `write` would */
function bytesOf(chunk: string | Uint8Array, encoding: unknown): Buffer {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, (typeof encoding === 'string' ? encoding : 'utf8') as BufferEncoding)
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

function truncate(text: string): string {
  return text.length <= MAX_LINE_CHARS ? text : `${text.slice(0, MAX_LINE_CHARS)}… (${text.length} characters)`
}

/** Fields as JSON text, as a field can be any value. If they cannot be serialised, the text says why. */
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
