/**
 * Everything a service's thread writes goes to the server's log line by line: `logger`, `console.*`, and what is
 * written to stdout and stderr. Bounded here, inside the thread: a flood in one turn never yields to the parent.
 */
import { format } from 'node:util'
import { toWireError } from '../errors.ts'
import type { Outbox } from '../outbox.ts'
import { LOG_LEVELS, type LogLevel, type ThreadMessage } from '../protocol.ts'
import type { LogFunction, ServiceLogger } from './define-service.ts'

const MAX_LINE_CHARS = 8_192
const MAX_LINES_PER_SECOND = 1_000

export class ThreadLogger {
  readonly #outbox: Outbox<ThreadMessage>
  #windowEndsAt = 0
  #lines = 0

  constructor(outbox: Outbox<ThreadMessage>) {
    this.#outbox = outbox
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

  write(level: LogLevel, message: string, fields?: Record<string, unknown>, jobId?: string): void {
    if (!this.#hasRoom()) return
    this.#outbox.push({
      type: 'log',
      level,
      message: truncate(message),
      ...(fields !== undefined && { fields: serializeFields(fields) }),
      ...(jobId !== undefined && { jobId }),
    })
  }

  #hasRoom(): boolean {
    const now = performance.now()
    if (now >= this.#windowEndsAt) {
      const dropped = this.#lines - MAX_LINES_PER_SECOND
      this.#windowEndsAt = now + 1_000
      this.#lines = 0
      if (dropped > 0) {
        const message = `${dropped} log lines were dropped: at most ${MAX_LINES_PER_SECOND} a second are kept`
        this.#outbox.push({ type: 'log', level: 'warn', message })
      }
    }
    this.#lines += 1
    return this.#lines <= MAX_LINES_PER_SECOND
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
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
      const lines = (rest + text).split('\n')
      rest = truncate(lines.pop() ?? '')
      for (const line of lines) this.write(level, line)
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
