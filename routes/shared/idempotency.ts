/** `Idempotency-Key`: a second request with the same key and payload gets the first job; with another payload an error. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { configure } from 'safe-stable-stringify'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import type { Job } from '../../src/jobs/job.ts'
import type { Accepted, Idempotency } from '../../src/jobs/job-store.ts'

/** How long a key is remembered. */
const KEY_LIFETIME_MS = 24 * 60 * 60 * 1_000
const KEY = /^"([\x20-\x21\x23-\x7e]{1,255})"$|^([\x21\x23-\x7e]{1,255})$/

/** The order of the keys of an object makes no difference. */
const canonicalJson = configure({ deterministic: true, maximumDepth: 5_000, strict: true })

/**
 * What the journal needs to recognise the request, or `undefined` without the header.
 * @param content what must be the same for the same key: the payload, and options if there are any
 * @throws MALFORMED_HEADER
 */
export function idempotencyOf(
  { headers, bodyText }: FastifyRequest,
  service: string,
  method: string,
  content: unknown,
): Idempotency | undefined {
  const header = headers['idempotency-key']
  if (header === undefined) return undefined
  const [, quoted, bare] = KEY.exec(String(header)) ?? []
  const key = quoted ?? bare
  if (key === undefined) {
    const detail = 'Idempotency-Key must be 1 to 255 printable ASCII characters, in double quotes'
    throw new ThreadplaneError('MALFORMED_HEADER', `${detail}: it is ${JSON.stringify(header)}`)
  }
  return {
    scope: JSON.stringify([service, method, key]),
    fingerprint: createHash('sha256').update(textToCompare(content, bodyText)).digest('base64url'),
    expiresAt: Date.now() + KEY_LIFETIME_MS,
  }
}

function textToCompare(content: unknown, bodyText: string): string {
  try {
    return canonicalJson(content) ?? ''
  } catch {
    // A number such as 1e400 is Infinity here, which JSON would show as null: compare what the client has sent.
    return `text ${bodyText}`
  }
}

/** The job of a request: its own, or the first one with the same key. @throws IDEMPOTENCY_MISMATCH */
export function acceptedJob(accepted: Accepted, reply: FastifyReply): Job {
  if (accepted.kind === 'mismatch') {
    const { jobId } = accepted
    const detail = `the Idempotency-Key belongs to the job ${jobId}, which has another payload or other options`
    throw new ThreadplaneError('IDEMPOTENCY_MISMATCH', `${detail}: use another key`, { jobId })
  }
  if (accepted.keyExpiresAt !== undefined) {
    reply.header('idempotency-expires', new Date(accepted.keyExpiresAt).toISOString())
  }
  return accepted.job
}
