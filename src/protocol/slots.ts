/**
 * Which of the methods handed to a thread have begun: both sides agree on that without a message.
 *
 * Each method is handed over in a slot, under a sequence number. Then either the thread *begins* it, or the control
 * thread *revokes* it, never both (P3). `slot-table.ts` does this in shared memory, `slot-log.ts` in shared files.
 */

/** The side of the control thread. */
export interface Slots {
  readonly length: number
  /** Sent to the thread, which makes its {@link ThreadSlots} of it. */
  readonly shared: SharedSlots
  /** Hands a method over. */
  hand(slot: number, sequence: number): void
  /** Takes a method back. True if it had not begun: now it never will. */
  revoke(slot: number, sequence: number): boolean
  hasBegun(slot: number, sequence: number): boolean
}

/** The side of the service's thread. */
export interface ThreadSlots {
  readonly length: number
  /** False once a method was revoked. Asked only about methods that have not begun. */
  isHanded(slot: number, sequence: number): boolean
  /** Begins a method. False if it was revoked: it must not run. */
  begin(slot: number, sequence: number): boolean
}

export type SharedSlots = SharedArrayBuffer | SharedLog

/** The two files of a slot log, by the file descriptors of the service's process. */
export interface SharedLog {
  length: number
  fds: LogPair<number>
}
export type LogPair<T> = readonly [even: T, odd: T]

export const MAX_SEQUENCE = 2 ** 31 - 1

/** The sequence number after this one. Positive: 0 is an empty slot, and a negated number has a meaning of its own. */
export function nextSequence(sequence: number): number {
  return sequence === MAX_SEQUENCE ? 1 : sequence + 1
}
