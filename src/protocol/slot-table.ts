/**
 * The slots of a service whose threads share memory with the control thread: one integer per slot.
 *
 * A slot holds the sequence number of the method that was handed over in it, and the negated number once the method has
 * begun. Begin and revoke are one compare-and-exchange each, so that of the two sides exactly one has the method (P3).
 * A message about an earlier method finds another number in its slot, and does nothing.
 */
import type { Slots, ThreadSlots } from './slots.ts'

export class SlotTable implements Slots, ThreadSlots {
  readonly shared: SharedArrayBuffer
  readonly #slots: Int32Array

  /** @param from the number of slots of a new table, or the memory that the other side shares */
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
