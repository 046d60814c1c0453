/**
 * UUIDv7 (RFC 9562): ids that sort by when they were made, as every call has one.
 *
 * The package `uuid` asks for random bytes one id at a time, and each answer is a native object for the garbage
 * collector to find: that was a quarter of what a call cost. Here the ids of one millisecond share their random part,
 * and a counter tells them apart (section 6.2 of the RFC, method 1).
 */
import { randomUUID } from 'node:crypto'

const COUNTS = Array.from({ length: 0x1000 }, (_, count) => count.toString(16).padStart(3, '0'))

let time = 0
let count = 0
let prefix = ''
let suffix = ''

/** Greater than every one before it, as text too. */
export function uuidv7(): string {
  const now = Date.now()
  if (now > time) enter(now)
  else if (count === COUNTS.length - 1) enter(time + 1)
  else count += 1
  return prefix + COUNTS[count] + suffix
}

function enter(milliseconds: number): void {
  const hex = milliseconds.toString(16).padStart(12, '0')
  time = milliseconds
  count = 0
  prefix = `${hex.slice(0, 8)}-${hex.slice(8)}-7`
  suffix = randomUUID().slice(18)
}
