/** A cast as routes and schedules ask for it, and the requests to the store that it becomes. */
import { uuidv7 } from '../contract/uuidv7.ts'
import type { AcceptRequest, Idempotency, OpenAttempt, Tick } from './job-store.ts'
import type { JobTarget } from './job-target.ts'

interface CastOptions {
  delayMs?: number
  priority?: number
  maxAttempts?: number
  ttlMs?: number
  traceparent?: string | undefined
  idempotency?: Idempotency | undefined
  /** The schedule that casts it. */
  schedule?: string
  tick?: Tick
}

export interface CastRequest {
  method: string
  /** JSON text. */
  payload: string
  options: CastOptions
}

/** @throws METHOD_NOT_FOUND */
export function toAcceptRequest(
  target: JobTarget,
  { method, payload, options }: CastRequest,
  begin: boolean,
): AcceptRequest {
  target.checkMethod(method)
  const defaults = target.methodOptions(method)
  const createdAt = Date.now()
  return {
    id: uuidv7(),
    service: target.name,
    method,
    payload,
    maxAttempts: options.maxAttempts ?? defaults.maxAttempts,
    priority: options.priority ?? defaults.priority,
    createdAt,
    notBefore: options.delayMs === undefined ? null : createdAt + options.delayMs,
    expiresAt: options.ttlMs === undefined ? null : createdAt + options.ttlMs,
    traceparent: options.traceparent ?? null,
    schedule: options.schedule ?? null,
    begin,
    idempotency: options.idempotency,
    tick: options.tick,
  }
}

/** The attempt that the store has begun with the job. */
export function firstAttempt(request: AcceptRequest): OpenAttempt {
  const { id, method, payload, priority, maxAttempts, expiresAt, traceparent } = request
  return { id, method, payload, priority, number: 1, maxAttempts, expiresAt, traceparent, lastError: null }
}
