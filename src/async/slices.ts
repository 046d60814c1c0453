/** Long work on the event loop, in slices: other requests are served between two of them. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Other requests wait at most about so long, in milliseconds. */
const SLICE_MS = 5

export class Slices {
  #endsAt = performance.now() + SLICE_MS

  /** Returns to the event loop if the present slice is over. */
  async pause(): Promise<void> {
    if (performance.now() < this.#endsAt) return
    await nextTurn()
    this.#endsAt = performance.now() + SLICE_MS
  }
}
