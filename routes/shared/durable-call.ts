/**
 * A call that is kept on disk like a cast: with `Idempotency-Key`, or with `Prefer: respond-async, wait=N`. The
 * response is the result if it is there in time; if not, the job goes on.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, ERRORS, ThreadplaneError } from '../../src/contract/errors.ts'
import type { Dispatcher } from '../../src/jobs/dispatcher.ts'
import type { Job } from '../../src/jobs/job.ts'
import type { Accepted } from '../../src/jobs/job-store.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { sendBytes } from './byte-body.ts'
import { type Preference, traceparent } from './headers.ts'
import { acceptedJob, idempotencyOf } from './idempotency.ts'
import { takePayload } from '../schemas/invocation.ts'
import { jobView } from '../schemas/job.ts'

/** @throws what the job failed with; DEADLINE_EXCEEDED, VALIDATION_FAILED, IDEMPOTENCY_MISMATCH */
export async function durableCall(
  dispatcher: Dispatcher,
  service: SupervisedService,
  { respondAsync, waitSeconds }: Preference,
  requestTimeoutMs: number | undefined,
  request: FastifyRequest<{ Params: { method: string } }>,
  reply: FastifyReply,
): Promise<void> {
  const { method } = request.params
  const {
    options: { timeoutMs: ofMethod },
    outputBytes,
  } = service.contract.method(method)
  const timeoutMs = requestTimeoutMs ?? ofMethod
  const payload = takePayload(request)
  service.contract.validate(method, payload)
  // Whoever does not wait has a job that does.
  if (!respondAsync) service.checkTakesCalls(method)
  const idempotency = idempotencyOf(request, service.name, method, [payload])
  const options = { traceparent: traceparent(request.headers), idempotency }
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  const [answer] = await dispatcher.cast(service, [{ method, payload: request.bodyText, options }])
  const kept = acceptedJob(answer as Accepted, reply)
  const { id } = kept
  const waits = waitSeconds === undefined ? '' : `, wait=${waitSeconds}`
  if (respondAsync) reply.header('preference-applied', `respond-async${waits}`)

  // Of one that begins now, nothing can be there yet: the answer is the same, however fast it is.
  const waitMs = Math.min((waitSeconds ?? 0) * 1_000, requestTimeoutMs ?? Number.POSITIVE_INFINITY)
  const answersNow = respondAsync && waitMs === 0 && answer?.kind === 'new'
  const job = answersNow ? kept : await dispatcher.wait(id, respondAsync ? waitMs : timeoutMs, gone.signal)
  if (job.state === 'succeeded' && outputBytes !== undefined) {
    sendBytes(reply, Buffer.from(JSON.parse(job.result as string) as string, 'base64'), outputBytes)
  } else if (job.state === 'succeeded')
    reply.type('application/json; charset=utf-8').serializer(String).send(job.result)
  else if (job.error !== null) throw jobFailure(job)
  else if (respondAsync) reply.code(202).header('location', `/v1/jobs/${id}`).send(jobView(job))
  else throw new ThreadplaneError('DEADLINE_EXCEEDED', `no result within ${timeoutMs} ms; the job goes on`, about(job))
}

function about({ service, method, id, attempts, error }: Job) {
  return { service, method, jobId: id, started: attempts > 0 && error?.code !== 'VALIDATION_FAILED' }
}

function jobFailure(job: Job): ThreadplaneError {
  const { code, message, cause, errors, retryable } = job.error ?? { code: 'INTERNAL', message: '' }
  const known = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'INTERNAL'
  const thrown = cause && Object.assign(new Error(cause.message), { name: cause.name, code: cause.code })
  return new ThreadplaneError(known, message, {
    ...about(job),
    ...(retryable !== undefined && { retryable }),
    ...(errors !== undefined && { errors }),
    ...(thrown !== undefined && { cause: thrown }),
  })
}
