/**
 * Makes ids, and reads the time in them: UUIDv7 (RFC 9562), which sort by the time at which they were made.
 *
 * Every call has an id, so this is on the hot path. The package `uuid` asks for random bytes for each id, and each
 * answer is a native object for the garbage collector: a quarter of the cost of a call. Here all ids of one millisecond
 * share their random part, and a counter makes them different (section 6.2 of the RFC, method 1).
 */
import { randomUUID } from 'node:crypto'

/** The counter as hexadecimal text. */
const COUNTS = Array.from({ length: 0x1000 }, (_, count) => count.toString(16).padStart(3, '0'))

/** The millisecond of the last id, the counter within it, and the parts that all ids of that millisecond share. */
let time = 0
let count = 0
let prefix = ''
let suffix = ''

/** Greater than every id before it, also when compared as text. */
export function uuidv7(): string {
  const now = Date.now()
  if (now > time) beginMillisecond(now)
  // All counts are used, so the next millisecond begins early.
  else if (count === COUNTS.length - 1) beginMillisecond(time + 1)
  else count += 1
  return prefix + COUNTS[count] + suffix
}

/** When an id was made, in milliseconds since the epoch. */
export function timeOfUuidv7(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

function beginMillisecond(milliseconds: number): void {
  const hex = milliseconds.toString(16).padStart(12, '0')
  time = milliseconds
  count = 0
  prefix = `${hex.slice(0, 8)}-${hex.slice(8)}-7`
  suffix = randomUUID().slice(18)
}
