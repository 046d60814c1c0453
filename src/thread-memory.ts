/**
 * The memory a service's thread shares with the control thread: a heartbeat, the size of its heap, and a slot for
 * each method handed to it.
 *
 * A slot holds the sequence number of the method in it, negated once the method has begun. Begin and revoke are one
 * compare-and-exchange each, so a method either began or is the control thread's to give elsewhere, never both (P3).
 * A stale message finds another number in its slot and does nothing.
 */
const HEARTBEAT = 0
const HEAP_KIB = 1
const FIRST_SLOT = 2
const EMPTY = 0
const MAX_SEQUENCE = 2 ** 31 - 1

/** How often a thread beats; mode's keepalive timer. Source: mode/threads.py ServiceThread._thread_keepalive */
export const HEARTBEAT_EVERY_MS = 1_000

export class ThreadMemory {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array

  /** @param from the number of slots of a new memory, or the buffer of an existing one. */
  constructor(from: number | SharedArrayBuffer) {
    this.buffer =
      typeof from === 'number' ? new SharedArrayBuffer((FIRST_SLOT + from) * Int32Array.BYTES_PER_ELEMENT) : from
    this.#words = new Int32Array(this.buffer)
  }

  // Called by the thread.

  beat(heapBytes: number): void {
    Atomics.store(this.#words, HEAP_KIB, Math.min(heapBytes / 1_024, MAX_SEQUENCE))
    Atomics.add(this.#words, HEARTBEAT, 1)
  }

  /** False if the method was revoked meanwhile. */
  begin(slot: number, sequence: number): boolean {
    return Atomics.compareExchange(this.#words, FIRST_SLOT + slot, sequence, -sequence) === sequence
  }

  // Called by the control thread.

  /** Changes with every heartbeat. */
  get heartbeats(): number {
    return Atomics.load(this.#words, HEARTBEAT)
  }

  get heapUsedBytes(): number {
    return Atomics.load(this.#words, HEAP_KIB) * 1_024
  }

  hand(slot: number, sequence: number): void {
    Atomics.store(this.#words, FIRST_SLOT + slot, sequence)
  }

  /** True if the method had not begun and now never will. */
  revoke(slot: number, sequence: number): boolean {
    return Atomics.compareExchange(this.#words, FIRST_SLOT + slot, sequence, EMPTY) === sequence
  }

  hasBegun(slot: number, sequence: number): boolean {
    return Atomics.load(this.#words, FIRST_SLOT + slot) === -sequence
  }

  /** The sequence number after this one: positive, and never 0, which is an empty slot. */
  static next(sequence: number): number {
    return sequence === MAX_SEQUENCE ? 1 : sequence + 1
  }
}
