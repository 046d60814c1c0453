/** Counters by a label with few known values, in one typed array. */

export class Counts<Key extends string> {
  readonly keys: readonly Key[]
  readonly #values: Float64Array

  /** @param keys the most frequent ones first: they are searched in this order */
  constructor(keys: readonly Key[]) {
    this.keys = keys
    this.#values = new Float64Array(keys.length)
  }

  add(key: Key, by = 1): void {
    const index = this.keys.indexOf(key)
    this.#values[index] = (this.#values[index] as number) + by
  }

  get(key: Key): number {
    return this.#values[this.keys.indexOf(key)] as number
  }

  /** Adds the counts of another object with the same keys. */
  addAll(other: Counts<Key>): void {
    for (const [index, value] of other.#values.entries()) this.#values[index] = (this.#values[index] as number) + value
  }
}
