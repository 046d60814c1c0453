/** The thread serialises results itself: the control thread sends the bytes on unparsed. */
import { isTooDeep } from '../payload/json-depth.ts'
import type { MethodFailure, ResultFormat } from '../protocol/messages.ts'
import { inOwnBuffer } from '../protocol/wire.ts'

export type Serialized = { ok: true; value: unknown; transfer?: ArrayBuffer } | { ok: false; failure: MethodFailure }

/** `undefined` is `null`; what JSON cannot carry, or is longer than `maxBytes`, is a failure. */
export function serializeResult(value: unknown, maxBytes: number): Serialized {
  if (value === undefined) return { ok: true, value: 'null' }
  // A UTF-16 unit is at least a byte of UTF-8: what is far too large is not copied, nor read.
  if (typeof value === 'string' && value.length > maxBytes) return tooLarge(maxBytes)
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    return refuse(error instanceof RangeError ? 'the result is nested too deeply' : describe(error))
  }
  if (json === undefined) return refuse(`a ${typeof value} has no JSON form`)
  // At most three bytes: most results need no counting.
  if (json.length * 3 > maxBytes && Buffer.byteLength(json) > maxBytes) return tooLarge(maxBytes)
  // The stack of this thread may be larger than that of whoever has to show the result of a job.
  if (isTooDeep(json)) return refuse('the result is nested too deeply')
  return { ok: true, value: json }
}

/** Their buffer is given away to the control thread, unless they are only a part of it: then a copy is. */
export function serializeBytes(bytes: Uint8Array, format: ResultFormat, maxBytes: number): Serialized {
  if (bytes.byteLength > maxBytes) return tooLarge(maxBytes)
  if (format === 'json') {
    const { buffer, byteOffset, byteLength } = bytes
    return { ok: true, value: JSON.stringify(Buffer.from(buffer, byteOffset, byteLength).toString('base64')) }
  }
  const own = inOwnBuffer(bytes)
  try {
    // Now, and not with the messages of this turn: there it would fail them all if it has no buffer any more.
    const value = structuredClone(own, { transfer: [own.buffer] })
    return { ok: true, value, transfer: value.buffer }
  } catch {
    return refuse('its buffer was given away with a result before: return a copy of what you keep')
  }
}

export function tooLarge(maxBytes: number): Serialized {
  return refuse(`the result is larger than the ${maxBytes} bytes of maxResultBytes`)
}

function refuse(detail: string): Serialized {
  return { ok: false, failure: { kind: 'notSerializable', detail } }
}

function describe(error: unknown): string {
  // V8 draws the cycle over several lines; the first says it all.
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'the result threw while it was serialised'
}
