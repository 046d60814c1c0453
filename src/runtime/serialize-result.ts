/**
 * Serialises the result of a method in the service's thread: JSON text or bytes, which the control thread sends to the
 * client without parsing them.
 */
import { isTooDeep } from '../payload/json-depth.ts'
import type { MethodFailure, ResultFormat } from '../protocol/messages.ts'
import { inOwnBuffer } from '../protocol/wire.ts'

export type Serialized = { ok: true; value: unknown; transfer?: ArrayBuffer } | { ok: false; failure: MethodFailure }

/** The JSON text of a result; `undefined` is `null`. A failure if JSON cannot carry it, or it exceeds `maxBytes`. */
export function serializeResult(value: unknown, maxBytes: number): Serialized {
  if (value === undefined) return { ok: true, value: 'null' }
  // A UTF-16 unit is at least one byte of UTF-8: a string that is far too large is neither copied nor read.
  if (typeof value === 'string' && value.length > maxBytes) return tooLarge(maxBytes)
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    return refuse(error instanceof RangeError ? 'the result is nested too deeply' : reasonOf(error))
  }
  if (json === undefined) return refuse(`a ${typeof value} has no JSON form`)
  // Most results have none of these, and need not be searched.
  const lost = /\{\}|\{"0":|"type":"Buffer"/.test(json) ? lostInJson(value, '') : undefined
  if (lost !== undefined) return refuse(lost)
  // A UTF-16 unit is at most three bytes of UTF-8: most results are too short to need counting.
  if (json.length * 3 > maxBytes && Buffer.byteLength(json) > maxBytes) return tooLarge(maxBytes)
  // This thread may have a larger stack than the control thread, which has to serialise the result of a job.
  if (isTooDeep(json)) return refuse('the result is nested too deeply')
  return { ok: true, value: json }
}

/** What JSON turns into something else without an error: a map into `{}`, bytes into an object of numbers. */
function lostInJson(value: unknown, pointer: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const at = pointer === '' ? 'the result' : `the result at ${pointer}`
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return `${at} is bytes, which JSON does not have: send them as Base64, or let the method return bytes`
  }
  const kind = LOST_KINDS.find((one) => value instanceof one)
  if (kind !== undefined) {
    const advice = kind === Promise ? 'await it' : 'make an object, an array or a string of it'
    return `${at} is a ${kind.name}, which JSON does not have: ${advice}`
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') return undefined
  for (const [key, part] of Object.entries(value)) {
    const lost = lostInJson(part, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    if (lost !== undefined) return lost
  }
  return undefined
}

const LOST_KINDS = [Map, Set, WeakMap, WeakSet, Promise, RegExp, Error] as const

/**
 * Transfers the buffer of the bytes to the control thread. Sends a copy if the bytes are part of a larger buffer, or if
 * the buffer cannot be transferred: native code or WebAssembly owns it, or it was marked as untransferable.
 */
export function serializeBytes(bytes: Uint8Array, format: ResultFormat, maxBytes: number): Serialized {
  if (bytes.byteLength > maxBytes) return tooLarge(maxBytes)
  if (isDetached(bytes)) {
    return refuse(
      'its buffer was given away with an earlier result: return `new Uint8Array(kept)` of bytes that you keep',
    )
  }
  if (format === 'json') {
    const { buffer, byteOffset, byteLength } = bytes
    return { ok: true, value: JSON.stringify(Buffer.from(buffer, byteOffset, byteLength).toString('base64')) }
  }
  const own = inOwnBuffer(bytes)
  try {
    // Detached from the handler's buffer at once: if the buffer were detached already when the messages of this turn
    // are posted, that would fail all of them.
    const value = structuredClone(own, { transfer: [own.buffer] })
    return { ok: true, value, transfer: value.buffer }
  } catch {
    const value = new Uint8Array(own)
    return { ok: true, value, transfer: value.buffer }
  }
}

function isDetached({ buffer, byteLength }: Uint8Array): boolean {
  if (byteLength > 0) return false
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

export function tooLarge(maxBytes: number): Serialized {
  return refuse(`the result is larger than the ${maxBytes} bytes of maxResultBytes`)
}

function refuse(detail: string): Serialized {
  return { ok: false, failure: { kind: 'notSerializable', detail } }
}

/** The first line of the message: for a cycle, V8 adds lines that draw it. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'the result threw while it was serialised'
}
