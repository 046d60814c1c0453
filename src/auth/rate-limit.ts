/**
 * The rate limit of one token, by the generic cell rate algorithm (GCRA): one number, the time at which the quota would
 * be whole again. A request moves that time on by one interval, and is refused if it would lie too far ahead.
 */

const ROUNDING_MS = 0.001

export interface Rate {
  /** So many requests … */
  requests: number
  /** … in so many seconds, in the long run. */
  perSeconds: number
  /** Requests that may come at once. Default: `requests`. */
  burst?: number | undefined
}

export class RateLimit {
  readonly rate: Rate
  /** The header `RateLimit-Policy`. */
  readonly policy: string
  /** Requests that there was no room for. */
  refused = 0
  readonly #intervalMs: number
  readonly #burst: number
  /** When the quota is whole. */
  #wholeAt = Number.NEGATIVE_INFINITY

  constructor(rate: Rate) {
    const { requests, perSeconds, burst = requests } = rate
    this.rate = rate
    this.policy = `"token";q=${requests};w=${perSeconds}`
    this.#intervalMs = (perSeconds * 1_000) / requests
    this.#burst = burst
  }

  /** Takes one request. 0 if there was room for it, else milliseconds until there is. */
  take(now: number): number {
    const wholeAt = Math.max(this.#wholeAt, now) + this.#intervalMs
    const waitMs = wholeAt - now - this.#burst * this.#intervalMs
    // The sums of fractions are not exact.
    if (waitMs > ROUNDING_MS) {
      this.refused += 1
      return waitMs
    }
    this.#wholeAt = wholeAt
    return 0
  }

  /** The header `RateLimit`: how many requests there is room for, and in how many seconds the quota is whole. */
  state(now: number): string {
    const usedMs = Math.max(this.#wholeAt - now, 0)
    const left = Math.max(Math.floor(this.#burst - usedMs / this.#intervalMs), 0)
    return `"token";r=${left};t=${Math.ceil(usedMs / 1_000)}`
  }
}
