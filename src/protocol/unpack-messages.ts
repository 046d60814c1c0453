/** Checks and decodes what a thread posted. On the control side only: the checks are nothing that a thread needs to load. */
import { checkThreadMessage, checkTuple } from './check-messages.ts'
import type { ThreadMessage } from './messages.ts'
import type { ItemTuple, ResultTuple } from './wire.ts'

/** The module of the thread can post anything. @throws TypeError that names what is wrong */
export function unpackMessages(wires: unknown): ThreadMessage[] {
  if (!Array.isArray(wires)) throw new TypeError('it posted something that is not an array of messages')
  return wires.map(unpackThread)
}

function unpackThread(wire: unknown): ThreadMessage {
  if (!Array.isArray(wire)) {
    checkThreadMessage(wire)
    return wire as Exclude<ThreadMessage, { type: 'result' | 'item' }>
  }
  checkTuple(wire)
  const [slot, sequence, value, ranUs, cost] = wire as unknown as ResultTuple | ItemTuple
  if (cost !== undefined) return { type: 'item', slot, sequence, value, cost }
  return { type: 'result', slot, sequence, value, ranUs }
}
