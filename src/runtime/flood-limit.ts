/**
 * Crashes a thread that sends too much (P5). The limit is counted inside the thread, because a thread that posts
 * messages faster than the control thread reads them would keep the control thread from all other services.
 */

interface Limit {
  /** What is counted, for the error message. */
  what: string
  most: number
  periodMs: number
}

export class FloodLimit {
  readonly #limit: Limit
  readonly #onExceeded: (error: Error) => void
  #periodEndsAt = 0
  #count = 0

  /** @param onExceeded called when more than `most` were counted within a period; it has to end the thread */
  constructor(limit: Limit, onExceeded: (error: Error) => void) {
    this.#limit = limit
    this.#onExceeded = onExceeded
  }

  /** @param now time by the monotonic clock, in milliseconds */
  count(now: number, more = 1): void {
    const { what, most, periodMs } = this.#limit
    if (now >= this.#periodEndsAt) {
      this.#periodEndsAt = now + periodMs
      this.#count = 0
    }
    this.#count += more
    if (this.#count > most) this.#onExceeded(new Error(`flood of ${what}: more than ${most} within ${periodMs} ms`))
  }
}
