/** Schemas that calls and casts share: the payload, request and response headers, error codes. */
import { Type } from '@sinclair/typebox'
import type { ErrorCode } from '../../src/contract/errors.ts'

export const Payload = Type.Unknown({ description: 'The payload of the method; without a body it is `{}`' })

export const IdempotencyHeader = {
  'idempotency-key': Type.Optional(
    Type.String({ description: 'Requests with the same key and payload within 24 h are the same job' }),
  ),
}

export const TraceHeader = {
  traceparent: Type.Optional(
    Type.String({ description: 'W3C trace context; the handler gets it as `job.traceparent`' }),
  ),
}

/** Both calls and casts may be refused with these. */
export const REFUSALS: ErrorCode[] = [
  'MALFORMED_BODY',
  'SERVICE_NOT_FOUND',
  'METHOD_NOT_FOUND',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'VALIDATION_FAILED',
  'IDEMPOTENCY_MISMATCH',
  'SERVICE_NOT_RUNNING',
  'JOURNAL_UNAVAILABLE',
  'DEADLINE_EXCEEDED',
]

export const PREFERENCE_APPLIED = {
  'Preference-Applied': { type: 'string', description: 'The preferences of `Prefer` that were applied' },
}
export const KEY_EXPIRES = {
  'Idempotency-Expires': { type: 'string', description: 'When the server forgets the key of the request' },
}

/** The response schema of an accepted job. */
export function accepted(description: string, headers: object = {}) {
  return {
    description,
    headers: {
      Location: { type: 'string', description: 'The path of the job' },
      ...KEY_EXPIRES,
      ...headers,
    },
    content: { 'application/json': { schema: Type.Ref('Job') } },
  }
}
