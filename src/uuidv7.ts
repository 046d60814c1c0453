/**
 * UUIDv7 (RFC 9562): ids that sort by when they were made, as every call has one.
 *
 * The package `uuid` asks for random bytes one id at a time, and each answer is a native object for the garbage
 * collector to find: that was a quarter of what a call cost. `randomUUID` takes its randomness from a pool.
 */
import { randomUUID } from 'node:crypto'

const MAX_COUNT = 0xfff

let time = 0
let count = 0
let prefix = ''

/** Greater than every one before it, as text too: ids of one millisecond are counted. */
export function uuidv7(): string {
  const now = Date.now()
  if (now > time) enter(now)
  else if (count === MAX_COUNT) enter(time + 1)
  else count += 1
  return `${prefix}${count.toString(16).padStart(3, '0')}${randomUUID().slice(18)}`
}

function enter(milliseconds: number): void {
  const hex = milliseconds.toString(16).padStart(12, '0')
  time = milliseconds
  count = 0
  prefix = `${hex.slice(0, 8)}-${hex.slice(8)}-7`
}
