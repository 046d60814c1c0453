/**
 * Which of the methods handed to a thread have begun: agreed upon by both sides without a message. Each method is
 * handed in a slot and under a sequence number. The thread *begins* it or the control thread *revokes* it, never both
 * (P3): in `slot-table.ts` where the two share memory, in `slot-log.ts` where they only share files.
 */

/** The side of the control thread. */
export interface Slots {
  readonly length: number
  /** What the thread makes its side of. */
  readonly shared: SharedSlots
  /** Hands a method over. */
  hand(slot: number, sequence: number): void
  /** Takes a method back; true if it had not begun and now never will. */
  revoke(slot: number, sequence: number): boolean
  hasBegun(slot: number, sequence: number): boolean
}

/** The side of the service's thread. */
export interface ThreadSlots {
  readonly length: number
  /** Is a method still to begin? */
  isHanded(slot: number, sequence: number): boolean
  /** Begins a method; false if it was revoked meanwhile. */
  begin(slot: number, sequence: number): boolean
}

export type SharedSlots = SharedArrayBuffer | SharedLog

/** Two files, as the service's process knows them. */
export interface SharedLog {
  length: number
  fds: LogPair<number>
}
export type LogPair<T> = readonly [even: T, odd: T]

export const MAX_SEQUENCE = 2 ** 31 - 1

/** The sequence number after this one: positive, and never 0, which is an empty slot. */
export function nextSequence(sequence: number): number {
  return sequence === MAX_SEQUENCE ? 1 : sequence + 1
}
