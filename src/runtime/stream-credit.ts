/**
 * How many bytes of a stream the thread may still send (P5). Each item costs its size; the consumer gives the cost back
 * as credit once it has consumed the item. So what is sent and not consumed never exceeds the window by more than one
 * item.
 */
import { WINDOW_BYTES } from './stream-limits.ts'

export class StreamCredit {
  #bytes = WINDOW_BYTES
  #onGiven = () => {}

  spend(bytes: number): void {
    this.#bytes -= bytes
  }

  give(bytes: number): void {
    this.#bytes += bytes
    this.#onGiven()
  }

  /** Resolves once any credit is left: that is enough for one item of any size. */
  async available(): Promise<void> {
    while (this.#bytes <= 0) {
      await new Promise<void>((resolve) => {
        this.#onGiven = resolve
      })
    }
  }
}
