/**
 * Histograms in typed arrays. An observation is made for every call, so it allocates nothing: it adds to two numbers of
 * one array. Bounds are seconds, unless the name says something else.
 */

/** How long methods run, and how long a transaction of the journal takes. */
export const RUN_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
/** How long methods and jobs wait. */
export const WAIT_BOUNDS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800]
/** How long HTTP requests take: the bounds that the conventions of OpenTelemetry recommend. */
export const HTTP_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** How many jobs are written together. */
export const BATCH_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096]

export class Histogram {
  /** The upper bound of each bucket but the last, which has none. */
  readonly bounds: Float64Array
  /** For each bucket, how many observations were in it; behind them the sum of all observed values. */
  #values: Float64Array

  constructor(bounds: readonly number[]) {
    this.bounds = Float64Array.from(bounds)
    this.#values = new Float64Array(bounds.length + 2)
  }

  observe(value: number): void {
    const { bounds } = this
    const values = this.#values
    const { length } = bounds
    let bucket = 0
    while (bucket < length && value > (bounds[bucket] as number)) bucket += 1
    values[bucket] = (values[bucket] as number) + 1
    values[length + 1] = (values[length + 1] as number) + value
  }

  /** How many observations were in a bucket. */
  countOf(bucket: number): number {
    return this.#values[bucket] as number
  }

  get sum(): number {
    return this.#values[this.bounds.length + 1] as number
  }

  /** Adds the observations of another histogram with the same bounds. */
  add(other: Histogram): void {
    this.#addTimes(other, 1)
  }

  /** The observations that an earlier copy of it did not have yet. */
  since(earlier: Histogram): Histogram {
    const rest = new Histogram([...this.bounds])
    rest.add(this)
    rest.#addTimes(earlier, -1)
    return rest
  }

  #addTimes(other: Histogram, times: 1 | -1): void {
    const values = this.#values
    for (let index = 0; index < values.length; index += 1) {
      values[index] = (values[index] as number) + times * (other.#values[index] as number)
    }
  }

  /**
   * The value that this share of the observations does not exceed, as Prometheus estimates it: those of a bucket are taken
   * to lie evenly between its bounds. Beyond the last bound it is the last bound. `undefined`: there are none.
   */
  quantile(share: number): number | undefined {
    const { bounds } = this
    let count = 0
    for (let bucket = 0; bucket <= bounds.length; bucket += 1) count += this.countOf(bucket)
    if (count === 0) return undefined
    const rank = share * count
    let below = 0
    let lower = 0
    for (const [bucket, upper] of bounds.entries()) {
      const inside = this.countOf(bucket)
      if (inside > 0 && below + inside >= rank) return lower + ((upper - lower) * (rank - below)) / inside
      below += inside
      lower = upper
    }
    return lower
  }

  /** Its present values, to be sent to another process. */
  snapshot(): Float64Array {
    return this.#values.slice()
  }

  /** Takes the values of a {@link snapshot} in place of its own. */
  restore(snapshot: Float64Array): void {
    this.#values = snapshot
  }
}
