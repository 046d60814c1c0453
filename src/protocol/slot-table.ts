/**
 * The memory a service's thread shares with the control thread, so that each can look without asking the other.
 */
import type { Slots, ThreadSlots } from './slots.ts'

/** How often a thread beats, in milliseconds. Source: mode/threads.py ServiceThread._thread_keepalive */
export const HEARTBEAT_EVERY_MS = 1_000

const MAX_INT32 = 2 ** 31 - 1

/** What is known of a thread's heartbeat. */
export interface Pulse {
  /** Another number after every beat. */
  readonly count: number
  readonly heapUsedBytes: number
}

/** Beats as long as the thread's event loop turns, and tells the size of its heap by the way. */
export class Heartbeat implements Pulse {
  readonly buffer: SharedArrayBuffer
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

/**
 * A slot for each method handed to a thread. It holds the method's sequence number, negated once the method has
 * begun. Begin and revoke are one compare-and-exchange each, so a method either begins or is the control thread's to
 * give elsewhere, never both (P3). A stale message finds another number in its slot and does nothing.
 */
export class SlotTable implements Slots, ThreadSlots {
  readonly shared: SharedArrayBuffer
  readonly #slots: Int32Array

  /** @param from how many slots a new table has, or what the other side shares */
  constructor(from: number | SharedArrayBuffer) {
    this.shared = typeof from === 'number' ? new SharedArrayBuffer(from * Int32Array.BYTES_PER_ELEMENT) : from
    this.#slots = new Int32Array(this.shared)
  }

  get length(): number {
    return this.#slots.length
  }

  hand(slot: number, sequence: number): void {
    Atomics.store(this.#slots, slot, sequence)
  }

  isHanded(slot: number, sequence: number): boolean {
    return Atomics.load(this.#slots, slot) === sequence
  }

  begin(slot: number, sequence: number): boolean {
    return Atomics.compareExchange(this.#slots, slot, sequence, -sequence) === sequence
  }

  revoke(slot: number, sequence: number): boolean {
    return Atomics.compareExchange(this.#slots, slot, sequence, 0) === sequence
  }

  hasBegun(slot: number, sequence: number): boolean {
    return Atomics.load(this.#slots, slot) === -sequence
  }
}
