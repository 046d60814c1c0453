/** Long work on the event loop, in slices: other requests are served between two of them. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Other requests wait at most about so long, in milliseconds, unless the work asks for less. */
const SLICE_MS = 5

export class Slices {
  readonly #sliceMs: number
  #endsAt: number

  constructor(sliceMs = SLICE_MS) {
    this.#sliceMs = sliceMs
    this.#endsAt = performance.now() + sliceMs
  }

  get isOver(): boolean {
    return performance.now() >= this.#endsAt
  }

  /** Returns to the event loop if the present slice is over. */
  async pause(): Promise<void> {
    if (!this.isOver) return
    await nextTurn()
    this.#endsAt = performance.now() + this.#sliceMs
  }
}
