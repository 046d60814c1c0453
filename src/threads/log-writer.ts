/**
 * Writes the log lines of a thread, a few at a time: however many come at once, nobody else has to wait for them, or for
 * whoever reads the log. How many can come is bounded where they are made (`thread/thread-logger.ts`).
 */
import type { ServiceLog } from '../contract/log.ts'
import type { LogMessage } from '../protocol/messages.ts'

/** Twice as many a second as a thread may write: what waits is written within half a second. */
const LINES_AT_A_TIME = 8
const EVERY_MS = 4

/** Those that have lines left. At the exit they come before the log, which writes what it holds itself, and ends. */
const busy = new Set<LogWriter>()
process.prependListener('exit', () => {
  for (const writer of busy) writer.writeAll()
})

export class LogWriter {
  readonly #service: string
  readonly #log: ServiceLog
  readonly #waiting: LogMessage[] = []
  /** How many may be written before the next time. */
  #left = LINES_AT_A_TIME
  #scheduled = false

  constructor(service: string, log: ServiceLog) {
    this.#service = service
    this.#log = log
  }

  write(line: LogMessage): void {
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
    for (const line of this.#waiting.splice(0, LINES_AT_A_TIME)) this.write(line)
    if (this.#waiting.length === 0) busy.delete(this)
  }

  /** The process ends. */
  writeAll(): void {
    for (const line of this.#waiting.splice(0)) this.#writeNow(line)
  }

  #writeNow({ level, message, fields, jobId }: LogMessage): void {
    const given = fields === undefined ? {} : (JSON.parse(fields) as object)
    const job = jobId === undefined ? {} : { jobId }
    this.#log[level]({ ...given, service: this.#service, ...job }, message)
  }
}
