/** Recognises a request that is repeated with the same `Idempotency-Key`. Pure. */
import { createHash } from 'node:crypto'
import { configure } from 'safe-stable-stringify'

/** The order of the keys of an object makes no difference. */
const canonicalJson = configure({ deterministic: true, maximumDepth: 5_000, strict: true })

/**
 * @param content what must be the same for the same key: the payload, and options if there are any
 * @param text the JSON text of the payload
 */
export function fingerprint(content: readonly unknown[], text: string): string {
  return createHash('sha256').update(textToCompare(content, text)).digest('base64url')
}

function textToCompare(content: readonly unknown[], text: string): string {
  try {
    return canonicalJson(content) ?? ''
  } catch {
    // A number such as 1e400 is Infinity here, which JSON would show as null: compare what the client has sent.
    return `text ${text}`
  }
}
