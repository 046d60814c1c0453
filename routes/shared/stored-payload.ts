/**
 * The payload of a cast, or of a call that is kept as a job, as the journal stores it. It is validated before the job is
 * accepted: the answer 202 says that the payload is valid. Large JSON is checked in a thread of its own.
 */
import type { FastifyRequest } from 'fastify'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import type { Idempotency } from '../../src/jobs/job-store.ts'
import { BytePayload } from '../../src/payload/byte-payload.ts'
import { fingerprint } from '../../src/payload/fingerprint.ts'
import type { CheckedPayload } from '../../src/payload/check-payload.ts'
import type { PayloadChecker } from '../../src/payload/payload-checker.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { idempotency, keyOf } from './idempotency.ts'
import { takePayload } from './payload.ts'

/** JSON of this size or more is not parsed on the control thread: it would hold up all other clients. */
export const LARGE_BYTES = 64 * 1024

export interface StoredPayload {
  /** JSON. */
  text: string
  idempotency: Idempotency | undefined
}

/**
 * @param options of the cast: with a key, a repeated request must have the same ones
 * @param timeoutMs how long a large payload may take to be checked
 * @throws MALFORMED_BODY, MALFORMED_HEADER, VALIDATION_FAILED, UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, DEADLINE_EXCEEDED
 */
export async function storedPayload(
  checker: PayloadChecker,
  service: SupervisedService,
  request: FastifyRequest<{ Params: { method: string } }>,
  options: readonly unknown[],
  timeoutMs: number,
): Promise<StoredPayload> {
  const { method } = request.params
  const { contract } = service
  const key = keyOf(request)
  const payload = takePayload(request)
  // The same key of another token is another key.
  const caller = request.caller === undefined ? [] : [request.caller]
  const stored = (text: string, print: string | undefined): StoredPayload => ({
    text,
    idempotency: key === undefined ? undefined : idempotency([...caller, service.name, method, key], print as string),
  })
  if (!(payload instanceof BytePayload) || !payload.isJson) {
    contract.validate(method, payload)
    const { bodyText } = request
    return stored(bodyText, key === undefined ? undefined : fingerprint([payload, ...options], bodyText))
  }
  contract.checkTakesJson(method)
  const { widenedInput } = contract.method(method)
  const checking = checker.one(payload.join(), widenedInput, timeoutMs, key === undefined ? undefined : options)
  payload.release()
  const checked = await checking
  if ('text' in checked) return stored(checked.text, checked.fingerprint)
  throw refusalOf(checked, service, method)
}

/** The error of a payload that was refused. */
export function refusalOf(
  checked: Exclude<CheckedPayload, { text: string }>,
  { contract }: SupervisedService,
  method: string,
): ThreadplaneError {
  if ('issues' in checked) return contract.refused(method, checked.issues)
  return new ThreadplaneError('MALFORMED_BODY', checked.malformed)
}
