/** Media types of payloads: JSON, which most methods take, and those of bytes. Pure. */
import type { BytesDescription } from '../contract/description.ts'

export const ANY_TYPE = '*/*'
/** What bytes are where nobody says it. */
export const OCTETS = 'application/octet-stream'
/** Of a content type that is JSON. */
export const JSON_TYPE = /^application\/([\w.+-]+\+)?json(?=$|\s*;)/i
/** What to do where nothing else is taken. */
export const SEND_JSON = "send application/json (with curl: -H 'content-type: application/json')"

/** Is it among the media types that a method takes? Without a content type it is only where any will do. */
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
