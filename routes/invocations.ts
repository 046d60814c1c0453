/** Call: the response is the result. Cast: 202, and a job to look at. */
import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../src/errors.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import { METHOD_DEFAULTS } from '../src/options.ts'
import type { Registry } from '../src/registry.ts'
import type { SupervisedService } from '../src/supervised-service.ts'
import type { Accepted } from '../src/jobs/job-store.ts'
import { durableCall } from './durable-call.ts'
import { readPreference, requestTimeoutMs } from './headers.ts'
import { acceptedJob, idempotencyOf } from './idempotency.ts'
import { jobView } from './schemas/job.ts'
import { problems } from '../src/problem.ts'
import { MethodParams } from './schemas/service.ts'

const REFUSALS: ErrorCode[] = [
  'MALFORMED_BODY',
  'SERVICE_NOT_FOUND',
  'METHOD_NOT_FOUND',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'VALIDATION_FAILED',
  'SERVICE_NOT_RUNNING',
  'DEADLINE_EXCEEDED',
  'IDEMPOTENCY_MISMATCH',
  'JOURNAL_UNAVAILABLE',
]

const CALL_PROBLEMS = problems(
  ...REFUSALS,
  'METHOD_FAILED',
  'RESULT_INVALID',
  'RESULT_NOT_SERIALIZABLE',
  'THREAD_DIED',
  'QUEUE_FULL',
  'JOB_CANCELLED',
  'JOB_EXPIRED',
)
const CAST_PROBLEMS = problems(...REFUSALS, 'MALFORMED_QUERY')

const CastQuery = Type.Object(
  {
    delayMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 31_536_000_000, description: 'Not run before' })),
    priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 9, description: '9 runs first' })),
    maxAttempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
    ttlMs: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 31_536_000_000, description: 'Expires if it has not begun by then' }),
    ),
  },
  { additionalProperties: false },
)

const Payload = Type.Unknown({ description: 'An object passes by name, an array by position' })

const InvocationHeaders = Type.Object({
  'request-timeout': Type.Optional(
    Type.String({ description: 'Deadline of a call, the queue included: 500ms, 10s, 2m', examples: ['10s'] }),
  ),
  prefer: Type.Optional(
    Type.String({
      description: 'respond-async, wait=N: the result if it is there within N seconds (at most 60), else 202 with a job',
      examples: ['respond-async, wait=8'],
    }),
  ),
  'idempotency-key': Type.Optional(
    Type.String({ description: 'The same key and payload within 24 h is the same job', examples: ['"order-17"'] }),
  ),
  traceparent: Type.Optional(Type.String({ description: 'W3C trace context, handed to the method' })),
})

function accepted(description: string) {
  return {
    description,
    headers: {
      Location: { type: 'string', description: 'Where the job is' },
      'Idempotency-Expires': { type: 'string', description: 'When the key of the request is forgotten' },
    },
    content: { 'application/json': { schema: Type.Ref('Job') } },
  }
}

interface InvocationRoutesOptions {
  registry: Registry
  dispatcher: Dispatcher
}

export const invocationRoutes: FastifyPluginAsyncTypebox<InvocationRoutesOptions> = async (
  app,
  { registry, dispatcher },
) => {
  app.post('/services/:service/call/:method', {
    schema: {
      operationId: 'call',
      tags: ['Invocations'],
      summary: 'Call a method and wait for its result',
      params: MethodParams,
      headers: InvocationHeaders,
      body: Payload,
      response: {
        200: Type.Unknown({ description: 'What the method returned' }),
        202: accepted('With `Prefer: respond-async`: the job, which goes on'),
        ...CALL_PROBLEMS,
      },
    },
    handler: async (request, reply) => {
      const { service: name, method } = request.params
      const service = registry.get(name)
      const timeoutMs = requestTimeoutMs(request.headers['request-timeout'])
      const since = performance.now()
      if (service.description === undefined) await service.whenDescribed(timeoutMs ?? METHOD_DEFAULTS.timeoutMs)
      const left = timeoutMs && Math.max(timeoutMs - (performance.now() - since), 1)
      const preference = readPreference(request.headers.prefer)
      if (!preference.respondAsync && request.headers['idempotency-key'] === undefined) {
        call(service, request, reply, left)
        return reply
      }
      const payload = request.body ?? {}
      const { options } = service.method(method)
      service.validate(method, payload)
      const durable = { service, method, payload, preference, traceparent: traceparent(request) }
      return durableCall(dispatcher, { ...durable, timeoutMs: left ?? options.timeoutMs }, request, reply)
    },
  })

  function call(
    service: SupervisedService,
    request: FastifyRequest<{ Params: { method: string } }>,
    reply: FastifyReply,
    timeoutMs: number | undefined,
  ): void {
    const queued = service.call(request.params.method, {
      payload: request.body ?? {},
      bytes: request.bodyBytes,
      timeoutMs,
      traceparent: traceparent(request),
    })
    queued.promise.then(
      (json) => reply.type('application/json; charset=utf-8').send(json),
      (error: unknown) => reply.send(error),
    )
    reply.raw.once('close', () => queued.abort('JOB_CANCELLED', 'the client hung up'))
  }

  app.post('/services/:service/cast/:method', {
    schema: {
      operationId: 'cast',
      tags: ['Invocations'],
      summary: 'Queue a job and return at once',
      params: MethodParams,
      headers: InvocationHeaders,
      body: Payload,
      querystring: CastQuery,
      response: {
        202: accepted('The job'),
        ...CAST_PROBLEMS,
      },
    },
    handler: async (request, reply) => {
      const { service: name, method } = request.params
      const service = registry.get(name)
      const timeoutMs = requestTimeoutMs(request.headers['request-timeout'])
      if (service.description === undefined) await service.whenDescribed(timeoutMs ?? METHOD_DEFAULTS.timeoutMs)
      service.method(method)
      const payload = request.body ?? {}
      service.validate(method, payload)
      const idempotency = idempotencyOf(request, name, method, [payload, request.query])
      const options = { ...request.query, traceparent: traceparent(request), idempotency }
      const [answer] = await dispatcher.cast(service, [{ method, payload, options }])
      const job = acceptedJob(answer as Accepted, reply)
      return reply.code(202).header('location', `/v1/jobs/${job.id}`).send(jobView(job))
    },
  })
}

function traceparent({ headers }: FastifyRequest): string | undefined {
  const { traceparent: value } = headers
  return typeof value === 'string' && value.length <= 256 ? value : undefined
}
