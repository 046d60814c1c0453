/** Parses the request headers of calls and casts: `Request-Timeout`, `Prefer`, `traceparent`. */
import type { IncomingHttpHeaders } from 'node:http'
import ms from 'ms'
import { ThreadplaneError } from '../../src/contract/errors.ts'

const DURATION = /^\d{1,9}(\.\d{1,3})?(ms|s|m|h)$/
/** The longest `Request-Timeout`. */
export const MAX_TIMEOUT_MS = 24 * 60 * 60 * 1_000
/** The longest wait of `Prefer: wait`. A longer one is shortened. */
const MAX_WAIT_SECONDS = 60

/** The milliseconds of `Request-Timeout: 10s`, `500ms` or `2m`. @throws MALFORMED_HEADER */
export function requestTimeoutMs(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined
  const timeoutMs = typeof header === 'string' && DURATION.test(header) ? ms(header as ms.StringValue) : 0
  if (timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS) return timeoutMs
  throw new ThreadplaneError(
    'MALFORMED_HEADER',
    `Request-Timeout is ${JSON.stringify(header)}: it must be a duration from 1ms to 24h, such as 500ms, 10s or 2m`,
  )
}

/** The two preferences of `Prefer` that the server knows. It ignores others, as RFC 7240 says. */
export interface Preference {
  respondAsync: boolean
  /** At most 60. */
  waitSeconds: number | undefined
}

/**
 * One member of the list, up to its comma. The two expressions take time in proportion to the header: no character can
 * belong to two parts of them.
 */
const MEMBER = /((?:"(?:[^"\\]|\\.)*"|[^,"])*)(?:,|$)/gy
/** A token, and a value that may be quoted. Parameters may follow. Source: RFC 7240, section 2 */
const PREFERENCE = /^([^\s=;,"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/

/** If a preference is repeated, the first one counts. A member without a token ends the list. @throws MALFORMED_HEADER */
export function readPreference(header: string | string[] | undefined): Preference {
  const preference: Preference = { respondAsync: false, waitSeconds: undefined }
  if (header === undefined) return preference
  for (const [, member = ''] of String(header).matchAll(MEMBER)) {
    if (member.trim() === '') continue
    const found = PREFERENCE.exec(member.trim())
    if (found === null) break
    const [, name = '', quoted, bare] = found
    const value = quoted ?? bare ?? ''
    if (name.toLowerCase() === 'respond-async' && value === '') preference.respondAsync = true
    if (name.toLowerCase() === 'wait') preference.waitSeconds ??= waitSeconds(value)
  }
  return preference
}

function waitSeconds(value: string): number {
  if (/^\d{1,9}$/.test(value)) return Math.min(Number(value), MAX_WAIT_SECONDS)
  throw new ThreadplaneError(
    'MALFORMED_HEADER',
    `Prefer: wait is ${JSON.stringify(value)}: it must be a number of seconds`,
  )
}

/** A later version may add fields at the end. Source: W3C Trace Context, section 3.2 */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(-|$)/

/** The header as the client sent it. An invalid one is ignored, as the standard says. */
export function traceparent({ traceparent: value }: IncomingHttpHeaders): string | undefined {
  return typeof value === 'string' && value.length <= 256 && TRACEPARENT.test(value) ? value : undefined
}
