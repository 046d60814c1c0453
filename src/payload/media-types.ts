/** Media types of payloads: JSON, which most methods take, and the types of bytes. Pure. */
import type { BytesDescription } from '../contract/description.ts'

export const ANY_TYPE = '*/*'
/** The media type of bytes without a content type. */
export const OCTETS = 'application/octet-stream'
/** Matches a content type that is JSON. */
export const JSON_TYPE = /^application\/([\w.+-]+\+)?json(?=$|\s*;)/i
/** Advice for an error message, where only JSON is accepted. */
export const SEND_JSON = "send application/json (with curl: -H 'content-type: application/json')"

/**
 * True if a method takes a content type. Without a content type, only a method that takes any type accepts the body.
 */
export function takesType({ types }: BytesDescription, contentType: string | undefined): boolean {
  if (types.includes(ANY_TYPE)) return true
  if (contentType === undefined) return false
  const essence = essenceOf(contentType)
  return types.map(essenceOf).some((type) => type === essence || isRangeOf(type, essence))
}

function isRangeOf(range: string, essence: string): boolean {
  return range.endsWith('/*') && essence.startsWith(range.slice(0, -1))
}

function essenceOf(contentType: string): string {
  return (contentType.split(';')[0] as string).trim().toLowerCase()
}
