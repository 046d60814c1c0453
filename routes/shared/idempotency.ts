/** `Idempotency-Key`: a second request with the same key and payload gets the first job; with another payload an error. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import type { Job } from '../../src/jobs/job.ts'
import type { Accepted, Idempotency } from '../../src/jobs/job-store.ts'

/** How long a key is remembered. */
const KEY_LIFETIME_MS = 24 * 60 * 60 * 1_000
const KEY = /^"([\x20-\x21\x23-\x7e]{1,255})"$|^([\x21\x23-\x7e]{1,255})$/

/** The key of a request, without its quotes; `undefined` without the header. @throws MALFORMED_HEADER */
export function keyOf({ headers }: FastifyRequest): string | undefined {
  const header = headers['idempotency-key']
  if (header === undefined) return undefined
  const [, quoted, bare] = KEY.exec(String(header)) ?? []
  const key = quoted ?? bare
  if (key !== undefined) return key
  const detail = 'Idempotency-Key must be 1 to 255 printable ASCII characters, in double quotes'
  throw new ThreadplaneError('MALFORMED_HEADER', `${detail}: it is ${JSON.stringify(header)}`)
}

/** What the journal needs to recognise a repeated request. @param of the token, if there is one; service, method and key */
export function idempotency(of: string[], fingerprint: string): Idempotency {
  return { scope: JSON.stringify(of), fingerprint, expiresAt: Date.now() + KEY_LIFETIME_MS }
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
