/**
 * The log lines of failed calls. A method that fails always would flood the log, so a line is written only for the first
 * failures within a period, for each method and code; the others are counted, and the count is logged.
 */
import type { ErrorCode, ThreadplaneError } from '../contract/errors.ts'
import type { ServiceLog } from '../contract/log.ts'

/** Lines for each method and code within a period. */
const MAX_LINES = 5
const PERIOD_MS = 10_000

interface Period {
  failures: number
}

export class FailedCalls {
  readonly #service: string
  readonly #log: ServiceLog
  readonly #periods = new Map<string, Period>()

  constructor(service: string, log: ServiceLog) {
    this.#service = service
    this.#log = log
  }

  add(method: string, jobId: string, error: ThreadplaneError): void {
    const line = { err: error, service: this.#service, method, jobId }
    // These statuses are the client's doing: its payload was refused, or it has gone.
    if (error.status < 500) return this.#log.debug(line, 'a call failed')
    const key = `${method} ${error.code}`
    let period = this.#periods.get(key)
    if (period === undefined) {
      period = { failures: 0 }
      this.#periods.set(key, period)
      setTimeout(() => this.#end(key, method, error.code), PERIOD_MS).unref()
    }
    period.failures += 1
    if (period.failures <= MAX_LINES) this.#log.warn(line, 'a call failed')
  }

  #end(key: string, method: string, code: ErrorCode): void {
    const suppressed = (this.#periods.get(key)?.failures ?? 0) - MAX_LINES
    this.#periods.delete(key)
    if (suppressed <= 0) return
    const about = { service: this.#service, method, code, suppressed }
    this.#log.warn(about, `${suppressed} more calls failed within ${PERIOD_MS} ms: their lines are left out`)
  }
}
