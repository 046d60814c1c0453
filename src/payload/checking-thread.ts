/**
 * The entry of the checking thread: parses and validates bodies that would hold the control thread for too long. It runs
 * no user code: the widened schemas contain none (P1).
 */
import { parentPort } from 'node:worker_threads'
import { toWireError } from '../contract/errors.ts'
import { checkLines, checkPayload } from './check-payload.ts'
import { returnMemoryLater } from './return-memory.ts'
import type { CheckAnswer, CheckMessage } from './payload-checker.ts'
import { PayloadValidator } from './validator.ts'

if (parentPort === null) throw new Error('this module is the entry of the checking thread')
const port = parentPort
const validators = new Map<number, PayloadValidator>()

port.on('message', (message: CheckMessage) => {
  port.postMessage(answer(message))
})

function answer({ id, body, kind, keyedBy, schema, schemaId, forget }: CheckMessage): CheckAnswer {
  if (forget !== undefined) validators.delete(forget)
  if (schema !== undefined) validators.set(schemaId, new PayloadValidator({ widenedInput: schema }))
  const validator = validators.get(schemaId)
  returnMemoryLater(body.byteLength)
  try {
    return { id, checked: kind === 'lines' ? checkLines(body, validator) : [checkPayload(body, validator, keyedBy)] }
  } catch (error) {
    return { id, error: toWireError(error) }
  }
}
