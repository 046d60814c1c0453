/**
 * Parses JSON that a client sent. Refuses keys that could change a prototype, such as `__proto__`, and JSON that is
 * nested too deeply. Pure.
 */
import { isUtf8 } from 'node:buffer'
import { parse } from 'secure-json-parse'
import { ThreadplaneError } from '../contract/errors.ts'
import { isTooDeep, MAX_JSON_DEPTH } from './json-depth.ts'

/** @throws MALFORMED_BODY, with the position of the error */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) {
    throw new ThreadplaneError('MALFORMED_BODY', `JSON is taken up to ${MAX_JSON_DEPTH} levels deep`)
  }
  try {
    return parse(text, { protoAction: 'error', constructorAction: 'error' })
  } catch {
    throw malformed(text)
  }
}

/** Decodes a body as UTF-8, and removes a byte order mark, which `JSON.parse` refuses. @throws MALFORMED_BODY */
export function textOf(body: Uint8Array): string {
  if (!isUtf8(body)) throw new ThreadplaneError('MALFORMED_BODY', 'the body is not well-formed UTF-8')
  const { buffer, byteOffset, byteLength } = body
  const text = Buffer.from(buffer, byteOffset, byteLength).toString()
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/** Finds out why a text was refused, which the error of `secure-json-parse` does not say. */
function malformed(text: string): ThreadplaneError {
  let why = 'the JSON has a key that could change a prototype, such as __proto__'
  try {
    JSON.parse(text)
  } catch (error) {
    why = `this is not well-formed JSON: ${(error as Error).message}`
  }
  return new ThreadplaneError('MALFORMED_BODY', why)
}
