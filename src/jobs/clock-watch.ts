/** Notices that the clock of the machine was set back, by comparing it with the monotonic clock. */

/** Corrections up to this size are left as they are: a wait is so much longer. */
const TOLERATED_MS = 1_000

export interface SetBack {
  byMs: number
  /** It was set back at this time or later, by the new time. */
  since: number
}

export class ClockWatch {
  #last = { clock: Date.now(), monotonic: performance.now() }

  /**
   * How the clock was set back since this was last asked, if it was. A clock that was set forward, or a machine that was
   * asleep, only shows that time has passed.
   */
  setBack(): SetBack | undefined {
    const before = this.#last
    this.#last = { clock: Date.now(), monotonic: performance.now() }
    const passedMs = this.#last.monotonic - before.monotonic
    const byMs = Math.round(before.clock + passedMs - this.#last.clock)
    return byMs > TOLERATED_MS ? { byMs, since: Math.floor(this.#last.clock - passedMs) } : undefined
  }
}
