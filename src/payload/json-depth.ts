/**
 * Measures how deeply JSON is nested, from its text. JSON that is deeper than the limit would overflow the stack of
 * `structuredClone`, zod or `JSON.stringify`. Pure.
 */

export const MAX_JSON_DEPTH = 1_000

const QUOTE = 34
const BACKSLASH = 92

export function isTooDeep(json: string): boolean {
  // Most texts are too short to be nested so deeply.
  if (json.length <= MAX_JSON_DEPTH) return false
  let depth = 0
  for (let at = 0; at < json.length; at += 1) {
    const unit = json.charCodeAt(at)
    // { and [ differ in one bit, and so do } and ].
    if ((unit | 32) === 123) {
      depth += 1
      if (depth > MAX_JSON_DEPTH) return true
    } else if ((unit | 32) === 125) depth -= 1
    else if (unit === QUOTE) at = endOfString(json, at)
  }
  return false
}

function endOfString(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at !== -1; at = json.indexOf('"', at + 1)) {
    let backslashes = 0
    while (json.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return at
  }
  return json.length
}
