/** Request headers with a grammar of their own. */
import type { IncomingHttpHeaders } from 'node:http'
import ms from 'ms'
import { ThreadplaneError } from '../../src/contract/errors.ts'

const DURATION = /^\d{1,9}(\.\d{1,3})?(ms|s|m|h)$/
const MAX_TIMEOUT_MS = 24 * 60 * 60 * 1_000
/** Longest wait of `Prefer: wait`, in seconds. */
const MAX_WAIT_SECONDS = 60

/** `Request-Timeout: 10s`, `500ms`, `2m`: milliseconds. @throws MALFORMED_HEADER */
export function requestTimeoutMs(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined
  const timeoutMs = typeof header === 'string' && DURATION.test(header) ? ms(header as ms.StringValue) : 0
  if (timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS) return timeoutMs
  throw new ThreadplaneError(
    'MALFORMED_HEADER',
    `Request-Timeout is ${JSON.stringify(header)}: it takes a duration from 1ms to 24h, such as 500ms, 10s or 2m`,
  )
}

/** What is understood of `Prefer`; other preferences are ignored, as RFC 7240 has it. */
export interface Preference {
  respondAsync: boolean
  /** At most 60. */
  waitSeconds: number | undefined
}

/** One preference of the list: a token, its value or a quoted one, parameters. Source: RFC 7240, section 2 */
const PREFERENCE =
  /[\s,]*([^\s=;,"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?((?:"(?:[^"\\]|\\.)*"|[^,"])*)(?:,|$)/gy

/** Of a preference that comes more than once, the first counts. @throws MALFORMED_HEADER */
export function readPreference(header: string | string[] | undefined): Preference {
  const preference: Preference = { respondAsync: false, waitSeconds: undefined }
  if (header === undefined) return preference
  for (const [, name = '', quoted, bare] of String(header).matchAll(PREFERENCE)) {
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
    `Prefer: wait is ${JSON.stringify(value)}: it takes a number of seconds`,
  )
}

/** Source: W3C Trace Context, section 3.2; later versions may have more behind it. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(-|$)/

/** Handed to the method as it came; what is none is ignored. */
export function traceparent({ traceparent: value }: IncomingHttpHeaders): string | undefined {
  return typeof value === 'string' && value.length <= 256 && TRACEPARENT.test(value) ? value : undefined
}
