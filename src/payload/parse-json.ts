/** JSON that a client sent: no prototype is reached with it, and it is not nested without end. Pure. */
import { isUtf8 } from 'node:buffer'
import { parse } from 'secure-json-parse'
import { ThreadplaneError } from '../contract/errors.ts'
import { isTooDeep, MAX_JSON_DEPTH } from './json-depth.ts'

/** @throws MALFORMED_BODY, with the place */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) {
    throw new ThreadplaneError('MALFORMED_BODY', `JSON is taken up to ${MAX_JSON_DEPTH} levels deep`)
  }
  try {
    return parse(text, { protoAction: 'error', constructorAction: 'error' })
  } catch {
    throw refusal(text)
  }
}

/** The text of a body; it may begin with a byte order mark, which a plain parser does not take. @throws MALFORMED_BODY */
export function textOf(body: Uint8Array): string {
  if (!isUtf8(body)) throw new ThreadplaneError('MALFORMED_BODY', 'the body is not well-formed UTF-8')
  const { buffer, byteOffset, byteLength } = body
  const text = Buffer.from(buffer, byteOffset, byteLength).toString()
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/** What that parser throws does not say why. */
function refusal(text: string): ThreadplaneError {
  let why = 'the JSON has a key that would reach a prototype, such as __proto__'
  try {
    JSON.parse(text)
  } catch (error) {
    why = `this is not well-formed JSON: ${(error as Error).message}`
  }
  return new ThreadplaneError('MALFORMED_BODY', why)
}
