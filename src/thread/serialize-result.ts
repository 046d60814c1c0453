/** The thread serialises results itself: the control thread sends the bytes on unparsed. */
import { isTooDeep } from '../json-depth.ts'
import type { MethodFailure } from '../protocol.ts'

type Serialized = { ok: true; json: string } | { ok: false; failure: MethodFailure }

/** `undefined` is `null`; what JSON cannot carry, or is longer than `maxBytes`, is a failure. */
export function serializeResult(value: unknown, maxBytes: number): Serialized {
  const refuse = (detail: string): Serialized => ({ ok: false, failure: { kind: 'notSerializable', detail } })
  if (value === undefined) return { ok: true, json: 'null' }
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    return refuse(error instanceof RangeError ? 'the result is nested too deeply' : describe(error))
  }
  if (json === undefined) return refuse(`a ${typeof value} has no JSON form`)
  // The stack of this thread may be larger than that of whoever has to show the result of a job.
  if (isTooDeep(json)) return refuse('the result is nested too deeply')
  // A UTF-16 unit is at most three bytes of UTF-8: most results need no counting.
  if (json.length * 3 > maxBytes && Buffer.byteLength(json) > maxBytes) {
    return refuse(`the result is larger than the ${maxBytes} bytes of maxResultBytes`)
  }
  return { ok: true, json }
}

function describe(error: unknown): string {
  // V8 draws the cycle over several lines; the first says it all.
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'the result threw while it was serialised'
}
