/** Estimates when a full queue has room again, from the rate at which methods ended in the last seconds. */

const MIN_SECONDS = 1
const MAX_SECONDS = 60

export class DrainEstimate {
  #endedPerMs = 0
  #lastEndAt = performance.now()

  /** Called for each method that has ended. */
  methodEnded(): void {
    const now = performance.now()
    const elapsedMs = Math.max(now - this.#lastEndAt, 0.001)
    this.#lastEndAt = now
    // A moving average over about a second.
    this.#endedPerMs += (1 / elapsedMs - this.#endedPerMs) * Math.min(elapsedMs / 1_000, 1)
  }

  /** How long so many methods take to end, between 1 and 60 seconds. */
  secondsFor(methods: number): number {
    const seconds = this.#endedPerMs > 0 ? methods / this.#endedPerMs / 1_000 : MIN_SECONDS
    return Math.min(Math.max(Math.ceil(seconds), MIN_SECONDS), MAX_SECONDS)
  }
}
