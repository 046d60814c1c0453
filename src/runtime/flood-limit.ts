/**
 * What a thread may say is bounded where it is said (P5): a thread that floods its control thread in one turn never
 * yields to it, and would keep it from all other services. A gauge counts within a period, and knows when it is enough.
 */

export interface FloodLimit {
  /** What is counted, for the reason of the crash. */
  what: string
  most: number
  periodMs: number
}

export class FloodGauge {
  readonly #limit: FloodLimit
  readonly #flooded: (reason: Error) => void
  #endsAt = 0
  #count = 0

  /** @param flooded ends the thread, for this reason */
  constructor(limit: FloodLimit, flooded: (reason: Error) => void) {
    this.#limit = limit
    this.#flooded = flooded
  }

  /** @param now by the monotonic clock, in milliseconds */
  count(now: number, more = 1): void {
    const { what, most, periodMs } = this.#limit
    if (now >= this.#endsAt) {
      this.#endsAt = now + periodMs
      this.#count = 0
    }
    this.#count += more
    if (this.#count > most) this.#flooded(new Error(`flood of ${what}: more than ${most} within ${periodMs} ms`))
  }
}
