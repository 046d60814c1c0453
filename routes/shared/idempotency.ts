/** `Idempotency-Key`: the same key and payload is the first job again, another payload is refused. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { configure } from 'safe-stable-stringify'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import type { Job } from '../../src/jobs/job.ts'
import type { Accepted, Idempotency } from '../../src/jobs/job-store.ts'

/** How long a key is remembered. */
const KEY_LIFETIME_MS = 24 * 60 * 60 * 1_000
const KEY = /^"([\x20-\x21\x23-\x7e]{1,255})"$|^([\x21\x23-\x7e]{1,255})$/

/** Objects whose members come in another order are the same payload. */
const canonical = configure({ deterministic: true, maximumDepth: 5_000 })

/** @throws MALFORMED_HEADER */
export function idempotencyOf(
  { headers }: FastifyRequest,
  service: string,
  method: string,
  fingerprinted: unknown,
): Idempotency | undefined {
  const header = headers['idempotency-key']
  if (header === undefined) return undefined
  const [, quoted, bare] = KEY.exec(String(header)) ?? []
  const key = quoted ?? bare
  if (key === undefined) {
    throw new ThreadplaneError('MALFORMED_HEADER', 'Idempotency-Key takes 1 to 255 printable characters, in quotes')
  }
  return {
    scope: JSON.stringify([service, method, key]),
    fingerprint: createHash('sha256')
      .update(canonical(fingerprinted) ?? '')
      .digest('base64url'),
    expiresAt: Date.now() + KEY_LIFETIME_MS,
  }
}

/** The job that a request with or without a key stands for. @throws IDEMPOTENCY_MISMATCH */
export function acceptedJob(accepted: Accepted, reply: FastifyReply): Job {
  if (accepted.kind === 'mismatch') {
    const detail = 'the key was used before, with another payload or other options'
    throw new ThreadplaneError('IDEMPOTENCY_MISMATCH', detail, { jobId: accepted.jobId })
  }
  if (accepted.keyExpiresAt !== undefined) {
    reply.header('idempotency-expires', new Date(accepted.keyExpiresAt).toISOString())
  }
  return accepted.job
}
