/** How long the methods of a service ran since it was last asked: the difference of two sums, so it costs calls nothing. */
import { Histogram, RUN_BOUNDS } from './histogram.ts'

export class RecentRuns {
  readonly #runs: () => Histogram
  #before = new Histogram(RUN_BOUNDS)

  /** @param runs all runs so far */
  constructor(runs: () => Histogram) {
    this.#runs = runs
  }

  /** Milliseconds that these shares of the methods did not exceed that have ended since the last call; `null` if none has. */
  take(...shares: number[]): (number | null)[] {
    const runs = this.#runs()
    const recent = runs.since(this.#before)
    this.#before = runs
    return shares.map((share) => {
      const seconds = recent.quantile(share)
      return seconds === undefined ? null : Math.round(seconds * 1_000_000) / 1_000
    })
  }
}
