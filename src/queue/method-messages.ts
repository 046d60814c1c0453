/** A queued method as a message to its thread, and the thread's report of a failure as an error. */
import { BytePayload } from '../payload/byte-payload.ts'
import { fromWireError, textOfError, type ThreadplaneError } from '../contract/errors.ts'
import type { ControlMessage, JsonBytes, MethodFailure } from '../protocol/messages.ts'
import type { QueuedMethod } from './queued-method.ts'

export function toRunMessage({ slot, sequence, method, payload, format, job }: QueuedMethod): ControlMessage {
  if (!(payload instanceof BytePayload)) return { type: 'run', slot, sequence, method, payload, format, job }
  const joined = payload.join()
  const transfer = joined.buffer
  if (payload.isJson) {
    return { type: 'run', slot, sequence, method, payload: { json: joined } satisfies JsonBytes, format, job, transfer }
  }
  const { contentType } = payload
  return { type: 'run', slot, sequence, method, payload: joined, format, job, contentType, transfer }
}

export function toError(method: QueuedMethod, failure: MethodFailure): ThreadplaneError {
  const name = `${method.service}.${method.method}`
  switch (failure.kind) {
    case 'threw': {
      const cause = fromWireError(failure.error)
      return method.error('METHOD_FAILED', textOfError(cause), {
        started: true,
        cause,
        retryable: failure.retryable,
      })
    }
    case 'problem': {
      const { message, ...facts } = failure.problem
      return method.error('METHOD_REFUSED', message, { started: true, ...facts })
    }
    case 'refused':
      return method.error('VALIDATION_FAILED', `the payload of ${name} was refused`, { errors: failure.issues })
    case 'resultRefused':
      return method.error('RESULT_INVALID', `the result of ${name} does not match its output schema`, {
        started: true,
        errors: failure.issues,
      })
    case 'notSerializable':
      return method.error('RESULT_NOT_SERIALIZABLE', `the result of ${name}: ${failure.detail}`, { started: true })
    case 'malformed':
      return method.error('MALFORMED_BODY', failure.detail)
    case 'noSuchMethod':
      return method.error('METHOD_NOT_FOUND', `${method.service} has no method ${method.method}`)
  }
}
