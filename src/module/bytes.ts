/** `bytes()`: a schema for a method that takes bytes as the body of a request, or returns them, instead of JSON. */
import { z } from 'zod'
import type { BytesDescription } from '../contract/description.ts'
import { ANY_TYPE, JSON_TYPE, OCTETS } from '../payload/media-types.ts'

const BYTES = Symbol.for('threadplane.bytes')
const TYPE = /^([\w!#$&^.+-]+\/[\w!#$&^.+-]+|([\w!#$&^.+-]+|\*)\/\*)(\s*;.*)?$/

export interface BytesOptions {
  /**
   * Of an input: the accepted media types, such as `image/*`; default: any. JSON cannot be one of them, because it is
   * always parsed. Of an output: the media type that is sent; default: `application/octet-stream`.
   */
  types?: readonly string[]
  /** Default: the limits of `THREADPLANE_MAX_BODY` for an input, and of `maxResultBytes` for an output. */
  maxBytes?: number
}

/**
 * A schema of bytes, for the `input` or `output` of a method. It can be refined, and be the end of a pipe. It cannot be
 * a member of an object, because JSON cannot carry a `Uint8Array`.
 */
export function bytes(options: BytesOptions = {}): z.ZodCustom<Uint8Array<ArrayBuffer>, Uint8Array> {
  const { maxBytes = Number.POSITIVE_INFINITY } = options
  // Part of the definition of the schema, which zod copies when the schema is refined.
  const mark = { [BYTES]: options }
  const schema = z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.byteLength <= maxBytes, {
    ...mark,
    error: ({ input }) =>
      input instanceof Uint8Array ? `Too large: expected at most ${maxBytes} bytes` : 'Invalid input: expected bytes',
  })
  return schema as z.ZodCustom<Uint8Array<ArrayBuffer>, Uint8Array>
}

/** The description of the bytes that a schema takes or returns; `undefined` if it is a schema of JSON. */
export function bytesOf(schema: z.ZodType | undefined, io: 'input' | 'output'): BytesDescription | undefined {
  let end = schema?._zod.def as z.core.$ZodPipeDef | undefined
  while (end?.type === 'pipe') end = end[io === 'input' ? 'in' : 'out']._zod.def as z.core.$ZodPipeDef
  const options = (end as { [BYTES]?: BytesOptions } | undefined)?.[BYTES]
  if (options === undefined) return undefined
  const { types = [io === 'input' ? ANY_TYPE : OCTETS], maxBytes } = options
  return { types: [...types], ...(maxBytes !== undefined && { maxBytes }) }
}

/** What is wrong with the options of `bytes()`, or `undefined`. */
export function invalidBytesOptions(
  { types, maxBytes = 1 }: BytesDescription,
  io: 'input' | 'output',
): string | undefined {
  const wrong = types.find((type) => typeof type !== 'string' || !TYPE.test(type))
  if (wrong !== undefined || types.length === 0) return 'types: expected media types, such as image/png'
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1) return 'maxBytes: expected a positive integer'
  if (io === 'input')
    return types.some((type) => JSON_TYPE.test(type)) ? 'types: JSON cannot be taken as bytes' : undefined
  return types.length > 1 || types[0]?.includes('*')
    ? 'types: expected the one type that is sent, such as image/png'
    : undefined
}
