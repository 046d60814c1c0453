/** The last events of one kind, up to a number and a size. The oldest are dropped. */
import type { JobEvent, ControlEvent } from '../contract/events.ts'

export interface LoggedEvent {
  /** Events are numbered, over both rings. */
  seq: number
  type: ControlEvent['type'] | JobEvent['type']
  service: string | undefined
  /** The id of the other node that it happened on. */
  origin: string | undefined
  /** One line of JSON, as clients get it. */
  json: string
}

export class Ring {
  /** The last event that was dropped; 0 if all are here. */
  droppedThrough = 0
  readonly #most: number
  readonly #mostChars: number
  #events: LoggedEvent[] = []
  /** Where the first event is: dropped events before it are removed many at a time. */
  #first = 0
  #chars = 0

  constructor(most: number, mostChars: number) {
    this.#most = most
    this.#mostChars = mostChars
  }

  push(event: LoggedEvent): void {
    this.#events.push(event)
    this.#chars += event.json.length
    while (this.#events.length - this.#first > this.#most || this.#chars > this.#mostChars) this.#dropOldest()
  }

  #dropOldest(): void {
    const { seq, json } = this.#events[this.#first] as LoggedEvent
    this.droppedThrough = seq
    this.#chars -= json.length
    this.#first += 1
    if (this.#first < this.#most) return
    this.#events = this.#events.slice(this.#first)
    this.#first = 0
  }

  /** Events after a number, in their order. */
  after(seq: number): LoggedEvent[] {
    let low = this.#first
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#events[middle] as LoggedEvent).seq <= seq) low = middle + 1
      else high = middle
    }
    return this.#events.slice(low)
  }
}
