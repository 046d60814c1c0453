/**
 * Writes the log lines of a thread, a few at a time: a thousand lines that arrive at once would delay the answers of
 * all other services. How many arrive is bounded in the thread (`runtime/thread-logger.ts`).
 */
import type { ServiceLog } from '../contract/log.ts'
import type { LogMessage } from '../protocol/messages.ts'

/** 2,000 lines a second, twice as many as a thread may write: no line waits longer than half a second. */
const LINES_AT_A_TIME = 8
const EVERY_MS = 4

/**
 * The writers that have lines left. They write them first when the process exits: the log then flushes itself and
 * closes.
 */
const busy = new Set<LogWriter>()
process.prependListener('exit', writeWaitingLines)

/** Writes the lines that wait, of all threads. */
export function writeWaitingLines(): void {
  for (const writer of busy) writer.writeAll()
}

export class LogWriter {
  readonly #service: string
  readonly #thread: number
  readonly #log: ServiceLog
  readonly #waiting: LogMessage[] = []
  /** How many lines may be written before the next timer. */
  #left = LINES_AT_A_TIME
  #scheduled = false

  /** @param thread its id */
  constructor(service: string, thread: number, log: ServiceLog) {
    this.#service = service
    this.#thread = thread
    this.#log = log
  }

  write(line: LogMessage): void {
    if (line.dropped !== undefined) this.#log.countDropped?.(this.#service, line.dropped)
    this.#writeOrWait(line)
  }

  #writeOrWait(line: LogMessage): void {
    if (this.#left > 0) {
      this.#left -= 1
      this.#writeNow(line)
    } else {
      this.#waiting.push(line)
      busy.add(this)
    }
    if (this.#scheduled) return
    this.#scheduled = true
    setTimeout(this.#next, EVERY_MS)
  }

  readonly #next = (): void => {
    this.#scheduled = false
    this.#left = LINES_AT_A_TIME
    for (const line of this.#waiting.splice(0, LINES_AT_A_TIME)) this.#writeOrWait(line)
    if (this.#waiting.length === 0) busy.delete(this)
  }

  /** Writes all lines at once: as the process exits, and before a failure, whose lines are kept with its job. */
  writeAll(): void {
    for (const line of this.#waiting.splice(0)) this.#writeNow(line)
  }

  #writeNow({ level, message, fields, of }: LogMessage): void {
    const given = fields === undefined ? {} : besideOwn(parseFields(fields))
    // The second name is the one that those who join logs with traces look for.
    const traced = of?.traceId === undefined ? undefined : { trace_id: of.traceId }
    this.#log[level]({ ...given, service: this.#service, thread: this.#thread, ...of, ...traced }, message)
  }
}

/** What a line of the log says of itself. `name` is the name of the logger, for those who print the log. */
const OWN_FIELDS = new Set([
  'id',
  'level',
  'time',
  'pid',
  'hostname',
  'name',
  'msg',
  'service',
  'thread',
  'jobId',
  'method',
  'attempt',
  'traceId',
  'trace_id',
])

/** The fields of a module; those that a line has itself are moved into `fields`. */
function besideOwn(given: object): object {
  const entries = Object.entries(given)
  const moved = entries.filter(([key]) => OWN_FIELDS.has(key))
  if (moved.length === 0) return given
  const others = Object.fromEntries(entries.filter(([key]) => !OWN_FIELDS.has(key)))
  return { fields: Object.fromEntries(moved), ...others }
}

/** A module can send a line past its logger: then the fields may be no JSON. */
function parseFields(fields: string): object {
  try {
    return Object(JSON.parse(fields)) as object
  } catch {
    return { fields }
  }
}
