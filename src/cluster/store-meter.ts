/** What the store measures for `/metrics`: how long transactions take, and how many jobs each writes. */
import type { StoreFigures } from '../jobs/store-figures.ts'
import { BATCH_BOUNDS, Histogram, RUN_BOUNDS } from '../telemetry/histogram.ts'

export class StoreMeter {
  readonly #commitSeconds = new Histogram(RUN_BOUNDS)
  readonly #batchJobs = new Histogram(BATCH_BOUNDS)

  get figures(): StoreFigures {
    return {
      commitSeconds: this.#commitSeconds.snapshot(),
      batchJobs: this.#batchJobs.snapshot(),
      fileBytes: undefined,
    }
  }

  /** Measures a transaction that writes so many new jobs or outcomes. */
  async measure<T>(jobs: number, write: () => Promise<T>): Promise<T> {
    const since = performance.now()
    const written = await write()
    this.#commitSeconds.observe((performance.now() - since) / 1_000)
    this.#batchJobs.observe(jobs)
    return written
  }
}
