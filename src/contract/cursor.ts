/**
 * Cursors: the ids of events and of lines of the log, which clients pass back to go on behind them. An id is `<boot>-<seq>`:
 * which start of which server, and the number there.
 */
import { createHash } from 'node:crypto'

const BOOT_DIGITS = 10

/** `undefined`: the text is no cursor. */
export function parseCursor(text: string): { boot: string; seq: number } | undefined {
  const [, boot, digits] = /^([0-9a-f]{10})-(\d{1,15})$/.exec(text) ?? []
  return boot === undefined ? undefined : { boot, seq: Number(digits) }
}

/** @param id of a node: another one after each start. So nodes know whose a cursor is. */
export function bootOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, BOOT_DIGITS)
}
