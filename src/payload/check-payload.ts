/**
 * What the checking thread does to a body before it is accepted as a job: decoded, parsed, validated with the widened
 * schema, and recognised if it has a key. Pure.
 */
import type { PayloadIssue } from '../contract/errors.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { fingerprint } from './fingerprint.ts'
import { parseJson, textOf } from './parse-json.ts'
import type { PayloadValidator } from './validator.ts'

/** A payload as the journal stores it, or why it is refused. */
export type CheckedPayload =
  | { text: string; fingerprint?: string }
  | { issues: PayloadIssue[] }
  /** It is no JSON. */
  | { malformed: string }

/** Lines of a batch. */
const MAX_LINES = 5_000
/** All issues of a batch together, in characters; further lines are refused without their issues. */
const MAX_ISSUES_CHARS = 4 * 1_024 * 1_024

/** @param keyedBy options that count beside the payload, if the request has a key */
export function checkPayload(
  body: Uint8Array,
  validator: PayloadValidator | undefined,
  keyedBy?: readonly unknown[],
): CheckedPayload {
  return orMalformed(() => checkText(textOf(body), validator, keyedBy))
}

function checkText(
  text: string,
  validator: PayloadValidator | undefined,
  keyedBy?: readonly unknown[],
): CheckedPayload {
  const payload = parseJson(text)
  const issues = validator?.validate(payload)
  if (issues !== undefined) return { issues }
  return keyedBy === undefined ? { text } : { text, fingerprint: fingerprint([payload, ...keyedBy], text) }
}

/**
 * Each line of a batch that is not empty.
 * @throws PAYLOAD_TOO_LARGE if there are too many; MALFORMED_BODY if the body is no text
 */
export function checkLines(body: Uint8Array, validator: PayloadValidator | undefined): CheckedPayload[] {
  let issuesChars = 0
  return linesOf(textOf(body)).map((line) => {
    const checked = orMalformed(() => checkText(line, validator))
    if (!('issues' in checked)) return checked
    if (issuesChars <= MAX_ISSUES_CHARS) issuesChars += JSON.stringify(checked.issues).length
    return issuesChars <= MAX_ISSUES_CHARS ? checked : { issues: [] }
  })
}

/** @throws PAYLOAD_TOO_LARGE */
function linesOf(text: string): string[] {
  const lines: string[] = []
  for (let start = 0; start < text.length; ) {
    const next = text.indexOf('\n', start)
    const end = next === -1 ? text.length : next
    const line = text.slice(start, end).trim()
    if (line !== '') lines.push(line)
    if (lines.length > MAX_LINES) {
      throw new ThreadplaneError('PAYLOAD_TOO_LARGE', `the batch has more than ${MAX_LINES} lines: split it`)
    }
    start = end + 1
  }
  return lines
}

function orMalformed(check: () => CheckedPayload): CheckedPayload {
  try {
    return check()
  } catch (error) {
    if (error instanceof ThreadplaneError) return { malformed: error.message }
    throw error
  }
}
