/**
 * A call that is kept as a job: with `Idempotency-Key`, or with `Prefer: respond-async, wait=N`. The answer is the result
 * if the job finishes in time. If not, the job continues all the same.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  type ErrorCode,
  ERRORS,
  fromWireError,
  RETRY_AFTER_SECONDS,
  ThreadplaneError,
} from '../../src/contract/errors.ts'
import type { Dispatcher } from '../../src/jobs/dispatcher.ts'
import type { Job } from '../../src/jobs/job.ts'
import type { Accepted } from '../../src/jobs/job-store.ts'
import type { PayloadChecker } from '../../src/payload/payload-checker.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { jobView } from '../schemas/job.ts'
import { sendBytes } from './byte-body.ts'
import { acceptedJob } from './idempotency.ts'
import { type Preference, traceparent } from './request-headers.ts'
import { storedPayload } from './stored-payload.ts'

export interface DurableCall {
  dispatcher: Dispatcher
  checker: PayloadChecker
  service: SupervisedService
  preference: Preference
  /** From `Request-Timeout`. */
  requestTimeoutMs: number | undefined
  /** It runs on another node, if not here. */
  runsElsewhere: boolean
  request: FastifyRequest<{ Params: { method: string } }>
  reply: FastifyReply
}

/** Sends the answer. @throws the error of the job; DEADLINE_EXCEEDED, VALIDATION_FAILED, IDEMPOTENCY_MISMATCH */
export async function durableCall(call: DurableCall): Promise<void> {
  const { dispatcher, service, request, reply, requestTimeoutMs } = call
  const { respondAsync, waitSeconds = 0 } = call.preference
  const { method } = request.params
  const { options, outputBytes } = service.contract.method(method)
  const timeoutMs = requestTimeoutMs ?? options.timeoutMs
  // Without `respond-async` the client needs the result: a server that closes still runs the method to its end.
  const ended = respondAsync ? request.server.clients.signalOfWait(reply) : signalOfClient(reply)

  const { job: accepted, isNew } = await acceptJob(call, timeoutMs)
  if (respondAsync) reply.header('preference-applied', appliedPreference(call.preference))
  const waitMs = respondAsync ? Math.min(waitSeconds * 1_000, requestTimeoutMs ?? Number.POSITIVE_INFINITY) : timeoutMs
  // A new job cannot have finished yet: without a wait, the answer is 202 in any case.
  const job = isNew && waitMs === 0 ? accepted : await dispatcher.wait(accepted.id, waitMs, ended)
  if (job.state === 'succeeded' && outputBytes !== undefined) {
    sendBytes(reply, Buffer.from(JSON.parse(job.result as string) as string, 'base64'), outputBytes)
  } else if (job.state === 'succeeded') {
    reply.type('application/json; charset=utf-8').serializer(String).send(job.result)
  } else if (job.error !== null) throw jobError(job)
  else if (respondAsync)
    reply.code(202).header('location', `${request.server.prefix}/jobs/${job.id}`).send(jobView(job))
  else if (request.server.clients.closing) {
    const detail = `the server is shutting down; the job of ${job.service}.${method} is kept: send the same key again later`
    throw new ThreadplaneError('SHUTTING_DOWN', detail, { ...subjectOf(job), retryAfterSeconds: RETRY_AFTER_SECONDS })
  } else {
    const detail = `no result of ${job.service}.${method} within ${timeoutMs} ms; its job continues: see ${request.server.prefix}/jobs/${job.id}`
    throw new ThreadplaneError('DEADLINE_EXCEEDED', detail, subjectOf(job))
  }
}

function signalOfClient({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => gone.abort())
  return gone.signal
}

/** Validates the payload and casts it. The job is an earlier one if the request repeats an `Idempotency-Key`. */
async function acceptJob(
  { dispatcher, checker, service, preference, runsElsewhere, request, reply }: DurableCall,
  timeoutMs: number,
): Promise<{ job: Job; isNew: boolean }> {
  const { method } = request.params
  const { text, idempotency } = await storedPayload(checker, service, request, [], timeoutMs)
  // With `respond-async` the job may wait until the service runs. Without it the client waits for the result.
  if (!preference.respondAsync && !runsElsewhere) service.checkTakesCalls(method)
  const options = { traceparent: traceparent(request.headers), idempotency }
  const [answer] = await dispatcher.cast(service, [{ method, payload: text, options }])
  return { job: acceptedJob(answer as Accepted, reply), isNew: answer?.kind === 'new' }
}

function appliedPreference({ waitSeconds }: Preference): string {
  return waitSeconds === undefined ? 'respond-async' : `respond-async, wait=${waitSeconds}`
}

function subjectOf({ service, method, id, attempts, error }: Job) {
  return { service, method, jobId: id, started: attempts > 0 && error?.code !== 'VALIDATION_FAILED' }
}

/** The error that the job failed with, as the error of this request. */
function jobError(job: Job): ThreadplaneError {
  const { code, reason, status, message, cause, errors, retryable } = job.error ?? { code: 'INTERNAL', message: '' }
  const knownCode = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'INTERNAL'
  return new ThreadplaneError(knownCode, message, {
    ...subjectOf(job),
    ...(reason !== undefined && { reason }),
    ...(status !== undefined && { status }),
    ...(retryable !== undefined && { retryable }),
    ...(errors !== undefined && { errors }),
    ...(cause !== undefined && { cause: fromWireError(cause) }),
  })
}
