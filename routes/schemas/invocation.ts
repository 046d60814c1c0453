/** What calls and casts have in common: their headers, their payload, and how they are refused. */
import { Type } from '@sinclair/typebox'
import type { ErrorCode } from '../../src/contract/errors.ts'

export const Payload = Type.Unknown({ description: 'An object passes by name, an array by position' })

/**
 * What the body says, for the look at it before the queue; what goes on is its text. The request keeps it no longer: it
 * lives until the answer, and the garbage collector would copy both meanwhile. Without a body there are no arguments;
 * `null` is one.
 */
export function takePayload(request: { body: unknown }): unknown {
  const { body = {} } = request
  request.body = undefined
  return body
}

export const IdempotencyHeader = {
  'idempotency-key': Type.Optional(
    Type.String({ description: 'The same key and payload within 24 h is the same job' }),
  ),
}

export const TraceHeader = {
  traceparent: Type.Optional(Type.String({ description: 'W3C trace context, handed to the method' })),
}

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
  'Preference-Applied': { type: 'string', description: 'What was heeded of `Prefer`' },
}
export const KEY_EXPIRES = {
  'Idempotency-Expires': { type: 'string', description: 'When the key of the request is forgotten' },
}

/** The response schema of a job that was accepted. */
export function accepted(description: string, headers: object = {}) {
  return {
    description,
    headers: {
      Location: { type: 'string', description: 'Where the job is' },
      ...KEY_EXPIRES,
      ...headers,
    },
    content: { 'application/json': { schema: Type.Ref('Job') } },
  }
}
