/**
 * What the journal's process measures for `/metrics`: how long transactions take, how many jobs each writes, and the size
 * of the files. It is reported at most once a second, and only after a change, so that it costs a cast nothing.
 */
import { statSync } from 'node:fs'
import { BATCH_BOUNDS, Histogram, RUN_BOUNDS } from '../telemetry/histogram.ts'
import { type JournalRequest, OUTCOMES } from './messages.ts'
import type { StoreFigures } from '../jobs/store-figures.ts'

const REPORT_EVERY_MS = 1_000

export class CommitFigures {
  readonly #path: string
  readonly #report: (figures: StoreFigures) => void
  readonly #commitSeconds = new Histogram(RUN_BOUNDS)
  readonly #batchJobs = new Histogram(BATCH_BOUNDS)
  #timer: NodeJS.Timeout | undefined

  constructor(path: string, report: (figures: StoreFigures) => void) {
    this.#path = path
    this.#report = report
  }

  /**
   * A transaction has ended. One without a new job or an outcome is not measured: it has hardly anything to flush, and the
   * many that look for expired jobs would hide the slow ones.
   */
  committed(requests: JournalRequest[], tookMs: number): void {
    let jobs = 0
    for (const [, operation, args] of requests) {
      if (operation === 'accept') jobs += (args[0] as unknown[]).length
      else if (OUTCOMES.has(operation)) jobs += 1
    }
    if (jobs === 0) return
    this.#commitSeconds.observe(tookMs / 1_000)
    this.#batchJobs.observe(jobs)
    this.#timer ??= setTimeout(() => this.reportNow(), REPORT_EVERY_MS).unref()
  }

  reportNow(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#report({
      commitSeconds: this.#commitSeconds.snapshot(),
      batchJobs: this.#batchJobs.snapshot(),
      fileBytes: sizeOf(this.#path) + sizeOf(`${this.#path}-wal`),
    })
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size ?? 0
  } catch {
    return 0
  }
}
