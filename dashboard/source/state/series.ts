/** The last hour of a service, or of all: columns of numbers in steps of 10 s. */
import type { SeriesView } from '../../../routes/schemas/series.ts'

export class Series {
  readonly #columns: readonly string[]
  readonly #rows: SeriesView['items']
  readonly #stepS: number

  constructor({ columns, items, stepMs }: SeriesView) {
    this.#columns = columns
    this.#rows = items
    this.#stepS = stepMs / 1_000
  }

  /** The numbers of a column, the oldest first. */
  column(name: string): (number | null)[] {
    const at = this.#columns.indexOf(name)
    return this.#rows.map((row) => row[at] ?? null)
  }

  /** A column that counts in each step, as a rate. */
  perSecond(name: string): (number | null)[] {
    return this.column(name).map((value) => (value === null ? null : value / this.#stepS))
  }

  /** Failures of everything that ran, from 0 to 1. */
  failedShare(): (number | null)[] {
    const [calls, jobs, failures] = [this.column('calls'), this.column('jobs'), this.column('failures')]
    return calls.map((value, at) => {
      const all = (value ?? 0) + (jobs[at] ?? 0)
      return all === 0 ? null : Math.min(1, (failures[at] ?? 0) / all)
    })
  }

  /** Failures of everything in the whole time. */
  failedShareInAll(): number | null {
    const sum = (name: string) => this.column(name).reduce<number>((total, value) => total + (value ?? 0), 0)
    const all = sum('calls') + sum('jobs')
    return all === 0 ? null : Math.min(1, sum('failures') / all)
  }
}
