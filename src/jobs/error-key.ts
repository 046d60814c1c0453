/**
 * Groups failures that have the same cause. The key of an error is a hash of its code, its name, and its message without
 * what differs from job to job: `no user 4711 in eu-1` and `no user 4712 in eu-2` have the same key.
 */
import { createHash } from 'node:crypto'
import type { JobError } from './job.ts'

/** The rest of a longer message does not count. */
const MAX_MESSAGE_CHARS = 1_000
const KEY_CHARS = 16

/** Any word with a digit is a number or an id. One pass over the text: no character can belong to two words. */
const WORD = /[\w.+-]+/g

/** What an error is grouped and shown by: of what the method threw, or of the error itself. */
export function faceOf({ code, reason, message, cause }: JobError): {
  code: string
  name: string | null
  message: string
} {
  return { code, name: cause?.name ?? reason ?? null, message: cause?.message || message }
}

export function errorKeyOf(error: JobError): string {
  const { code, name, message } = faceOf(error)
  const blanked = message.slice(0, MAX_MESSAGE_CHARS).replace(WORD, (word) => (/\d/.test(word) ? '#' : word))
  return createHash('sha256')
    .update(JSON.stringify([code, name, blanked]))
    .digest('hex')
    .slice(0, KEY_CHARS)
}
