/** Call: the response is the result. Cast: 202, and a job to look at. */
import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../src/errors.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import { METHOD_DEFAULTS } from '../src/options.ts'
import type { Registry } from '../src/registry.ts'
import type { SupervisedService } from '../src/supervised-service.ts'
import { requestTimeoutMs } from './headers.ts'
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
]

export const CALL_PROBLEMS = problems(
  ...REFUSALS,
  'METHOD_FAILED',
  'RESULT_INVALID',
  'RESULT_NOT_SERIALIZABLE',
  'THREAD_DIED',
  'QUEUE_FULL',
)
export const CAST_PROBLEMS = problems(...REFUSALS, 'MALFORMED_QUERY', 'JOURNAL_UNAVAILABLE')

export const CastQuery = Type.Object(
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

export interface InvocationRoutesOptions {
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
      description: 'The header `Request-Timeout` (`10s`, `500ms`, `2m`) is the deadline, the queue included.',
      params: MethodParams,
      response: { 200: Type.Unknown({ description: 'What the method returned' }), ...CALL_PROBLEMS },
    },
    // Not asynchronous once the service is described: a call costs one promise, and the bytes are sent on unparsed.
    handler: (request, reply) => {
      const service = registry.get(request.params.service)
      const timeoutMs = requestTimeoutMs(request.headers['request-timeout'])
      if (service.description !== undefined) {
        call(service, request, reply, timeoutMs)
        return reply
      }
      const since = performance.now()
      return service.whenDescribed('call', timeoutMs ?? METHOD_DEFAULTS.timeoutMs).then(() => {
        call(service, request, reply, timeoutMs && Math.max(timeoutMs - (performance.now() - since), 1))
        return reply
      })
    },
  })

  function call(
    service: SupervisedService,
    request: FastifyRequest<{ Params: { method: string } }>,
    reply: FastifyReply,
    timeoutMs: number | undefined,
  ): void {
    // While the service was still unknown, the client may have hung up.
    if (reply.raw.destroyed) return
    const queued = service.call(request.params.method, {
      payload: payloadOf(request),
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
      querystring: CastQuery,
      response: {
        202: {
          description: 'The job',
          headers: { Location: { description: 'Where the job is', schema: { type: 'string' } } },
          content: { 'application/json': { schema: Type.Ref('Job') } },
        },
        ...CAST_PROBLEMS,
      },
    },
    handler: async (request, reply) => {
      const { service: name, method } = request.params
      const service = registry.get(name)
      const timeoutMs = requestTimeoutMs(request.headers['request-timeout'])
      await service.whenDescribed('cast', timeoutMs ?? METHOD_DEFAULTS.timeoutMs)
      service.method(method)
      const payload = payloadOf(request)
      service.validate(method, payload)
      const job = await dispatcher.cast(service, method, payload, {
        ...request.query,
        traceparent: traceparent(request),
      })
      return reply.code(202).header('location', `/v1/jobs/${job.id}`).send(jobView(job))
    },
  })
}

/** Without a body there are no arguments; `null` is one. */
function payloadOf({ body }: FastifyRequest): unknown {
  return body === undefined ? {} : body
}

function traceparent({ headers }: FastifyRequest): string | undefined {
  const { traceparent: value } = headers
  return typeof value === 'string' && value.length <= 256 ? value : undefined
}
