/**
 * A thread's heartbeat in shared memory: the thread counts, and the control thread reads the count without asking. A
 * count that stands still means that the thread's event loop is blocked. The size of the thread's heap goes with it.
 */

/** How often a thread beats, in milliseconds. Source: mode/threads.py ServiceThread._thread_keepalive */
export const HEARTBEAT_EVERY_MS = 1_000

const MAX_INT32 = 2 ** 31 - 1

/** What the control thread knows of a thread's heartbeat. */
export interface Pulse {
  /** Changes with every beat. */
  readonly count: number
  readonly heapUsedBytes: number
}

export class Heartbeat implements Pulse {
  readonly buffer: SharedArrayBuffer
  /** The count, and the size of the heap in KiB. */
  readonly #words: Int32Array

  constructor(buffer = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer
    this.#words = new Int32Array(buffer)
  }

  beat(heapBytes: number): void {
    Atomics.store(this.#words, 1, Math.min(heapBytes / 1_024, MAX_INT32))
    Atomics.add(this.#words, 0, 1)
  }

  get count(): number {
    return Atomics.load(this.#words, 0)
  }

  get heapUsedBytes(): number {
    return Atomics.load(this.#words, 1) * 1_024
  }
}
