/** The last events, or the last lines of a log, up to a number and a size. The oldest are dropped. */

/** What is kept in a ring. */
interface Entry {
  /** Greater than that of the entry before it. */
  seq: number
  /** One line of JSON, as clients get it. */
  json: string
}

export class Ring<E extends Entry> {
  /** The last entry that was dropped; 0 if all are here. */
  droppedThrough = 0
  readonly #most: number
  readonly #mostChars: number
  /** `undefined`: dropped. Places of dropped entries are removed many at a time. */
  #entries: (E | undefined)[] = []
  /** Where the first entry is. */
  #first = 0
  #chars = 0

  constructor(most: number, mostChars: number) {
    this.#most = most
    this.#mostChars = mostChars
  }

  push(entry: E): void {
    this.#entries.push(entry)
    this.#chars += entry.json.length
    while (this.#entries.length - this.#first > this.#most || this.#chars > this.#mostChars) this.#dropOldest()
  }

  #dropOldest(): void {
    const { seq, json } = this.#entries[this.#first] as E
    this.droppedThrough = seq
    this.#chars -= json.length
    this.#entries[this.#first] = undefined
    this.#first += 1
    if (this.#first < this.#most) return
    this.#entries = this.#entries.slice(this.#first)
    this.#first = 0
  }

  /** Entries after a number, in their order. */
  after(seq: number): E[] {
    let low = this.#first
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#entries[middle] as E).seq <= seq) low = middle + 1
      else high = middle
    }
    return this.#entries.slice(low) as E[]
  }
}
