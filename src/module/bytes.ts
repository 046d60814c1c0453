/** Bytes as the input or output of a method: the body of a request or of its answer, and no JSON. */
import { z } from 'zod'
import type { BytesDescription } from '../contract/description.ts'
import { ANY_TYPE, JSON_TYPE, OCTETS } from '../payload/media-types.ts'

const BYTES = Symbol.for('threadplane.bytes')
const TYPE = /^([\w!#$&^.+-]+\/[\w!#$&^.+-]+|([\w!#$&^.+-]+|\*)\/\*)(\s*;.*)?$/

export interface BytesOptions {
  /**
   * Of an input: the media types that are taken, such as `image/*`; default: any. Never JSON, which is what all other
   * methods take. Of an output: the one that is sent; default: `application/octet-stream`.
   */
  types?: readonly string[]
  /** Default: what `THREADPLANE_MAX_BODY` and `maxResultBytes` allow. */
  maxBytes?: number
}

/**
 * A schema of bytes, for `input` or `output` of a method. It may be refined, and be the end of a pipe; inside of an
 * object it is no more than a `Uint8Array`, which JSON cannot carry.
 */
export function bytes(options: BytesOptions = {}): z.ZodCustom<Uint8Array<ArrayBuffer>, Uint8Array> {
  const { maxBytes = Number.POSITIVE_INFINITY } = options
  // It stays with the definition, which is what zod makes a refined schema of.
  const mark = { [BYTES]: options }
  const schema = z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.byteLength <= maxBytes, {
    ...mark,
    error: ({ input }) =>
      input instanceof Uint8Array ? `Too large: expected at most ${maxBytes} bytes` : 'Invalid input: expected bytes',
  })
  return schema as z.ZodCustom<Uint8Array<ArrayBuffer>, Uint8Array>
}

/** What a schema says of the bytes that come in, or go out; `undefined` where it is JSON that does. */
export function bytesOf(schema: z.ZodType | undefined, io: 'input' | 'output'): BytesDescription | undefined {
  let end = schema?._zod.def as z.core.$ZodPipeDef | undefined
  while (end?.type === 'pipe') end = end[io === 'input' ? 'in' : 'out']._zod.def as z.core.$ZodPipeDef
  const options = (end as { [BYTES]?: BytesOptions } | undefined)?.[BYTES]
  if (options === undefined) return undefined
  const { types = [io === 'input' ? ANY_TYPE : OCTETS], maxBytes } = options
  return { types: [...types], ...(maxBytes !== undefined && { maxBytes }) }
}

/** What is wrong with the types of a method's bytes, if anything is. */
export function complaintAbout({ types, maxBytes = 1 }: BytesDescription, io: 'input' | 'output'): string | undefined {
  const wrong = types.find((type) => typeof type !== 'string' || !TYPE.test(type))
  if (wrong !== undefined || types.length === 0) return 'types: expected media types, such as image/png'
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1) return 'maxBytes: expected a positive integer'
  if (io === 'input')
    return types.some((type) => JSON_TYPE.test(type)) ? 'types: JSON is not taken as bytes' : undefined
  return types.length > 1 || types[0]?.includes('*')
    ? 'types: expected the one that is sent, such as image/png'
    : undefined
}
