/** Call: the response is the result. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { BytePayload } from '../src/payload/byte-payload.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import { JSON_TYPE } from '../src/payload/media-types.ts'
import { METHOD_DEFAULTS } from '../src/contract/options.ts'
import { checkCharset, settle, takeJson } from '../src/http/json-body.ts'
import { problems } from '../src/http/problem.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { Invoker } from '../src/services/invoker.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'
import { bytesOf, readBody, sendBytes } from './shared/byte-body.ts'
import { sendItems } from './shared/item-stream.ts'
import { durableCall } from './shared/durable-call.ts'
import { readPreference, requestTimeoutMs, traceparent } from './shared/headers.ts'
import {
  accepted,
  IdempotencyHeader,
  KEY_EXPIRES,
  Payload,
  PREFERENCE_APPLIED,
  takePayload,
  REFUSALS,
  TraceHeader,
} from './schemas/invocation.ts'
import { MethodParams } from './schemas/service.ts'

interface CallRoutesOptions {
  registry: Registry
  invoker: Invoker
  dispatcher: Dispatcher
}

const CallHeaders = Type.Object({
  'request-timeout': Type.Optional(Type.String({ description: 'Deadline, the queue included: 500ms, 10s, 2m' })),
  prefer: Type.Optional(
    Type.String({
      description:
        'respond-async, wait=N: the result if it is there within N seconds (at most 60), else 202 with a job',
    }),
  ),
  ...IdempotencyHeader,
  ...TraceHeader,
})

type CallRequest = FastifyRequest<{ Params: { service: string; method: string } }>

/** From so many bytes on, JSON is parsed and validated in its thread only: the event loop would be held up by it. */
const LARGE_BYTES = 64 * 1024

/** What the body says; or the body, of which its thread is to say that. @throws UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY */
function takeJsonOf(request: FastifyRequest, body: BytePayload): unknown {
  const { headers } = request
  // What is kept is known to be right before anybody says so.
  const isKept = headers.prefer !== undefined || headers['idempotency-key'] !== undefined
  if (body.size < LARGE_BYTES || isKept) return takeJson(request, body.whole)
  checkCharset(request)
  return body
}

export const callRoutes: FastifyPluginAsyncTypebox<CallRoutesOptions> = async (
  app,
  { registry, invoker, dispatcher },
) => {
  app.removeContentTypeParser(JSON_TYPE)
  app.addContentTypeParser(JSON_TYPE, (request: FastifyRequest, body: IncomingMessage, done) => {
    readBody(request, body, (error, payload) => {
      if (payload === undefined) done(error)
      else settle(done, () => takeJsonOf(request, payload))
    })
  })
  // What is no JSON is bytes, if the method takes them; of a service not described yet that is seen later.
  app.removeContentTypeParser('*')
  app.addContentTypeParser('*', (request: FastifyRequest, body: IncomingMessage, done) => {
    if (request.headers['content-length'] === '0') return done(null, undefined)
    try {
      const { service, method } = (request as CallRequest).params
      const { contract } = registry.get(service)
      if (contract.description !== undefined) contract.checkMediaType(method, request.headers['content-type'])
    } catch (error) {
      return done(error as Error)
    }
    readBody(request, body, done)
  })

  app.post('/services/:service/call/:method', {
    schema: {
      operationId: 'call',
      tags: ['Invocations'],
      summary: 'Call a method and wait for its result',
      params: MethodParams,
      headers: CallHeaders,
      body: Payload,
      response: {
        200: {
          description: 'What the method returned: JSON, its bytes, or a stream of items',
          headers: { ...PREFERENCE_APPLIED, ...KEY_EXPIRES },
          content: { 'application/json': { schema: Type.Unknown() } },
        },
        202: accepted('With `Prefer: respond-async`: the job, which goes on', PREFERENCE_APPLIED),
        ...problems(
          ...REFUSALS,
          'METHOD_FAILED',
          'RESULT_INVALID',
          'RESULT_NOT_SERIALIZABLE',
          'THREAD_DIED',
          'QUEUE_FULL',
          'JOB_CANCELLED',
          'JOB_EXPIRED',
        ),
      },
    },
    // Not a promise, and no reply returned: Fastify would wait for either by listeners and promises of its own.
    handler: (request, reply): void => {
      const service = registry.get(request.params.service)
      const timeoutMs = requestTimeoutMs(request.headers['request-timeout'])
      if (service.contract.description !== undefined) return call(service, request, reply, timeoutMs)
      const since = performance.now()
      service
        .whenDescribed('call', timeoutMs ?? METHOD_DEFAULTS.timeoutMs)
        .then(() => call(service, request, reply, timeoutMs && Math.max(timeoutMs - (performance.now() - since), 1)))
        .catch((error: unknown) => reply.send(error))
    },
  })

  function call(
    service: SupervisedService,
    request: CallRequest,
    reply: FastifyReply,
    timeoutMs: number | undefined,
  ): void {
    // While the service was still unknown, the client may have hung up.
    if (reply.raw.destroyed) return
    const { headers } = request
    if (headers.prefer !== undefined || headers['idempotency-key'] !== undefined) {
      const preference = readPreference(headers.prefer)
      if (preference.respondAsync || headers['idempotency-key'] !== undefined) {
        durableCall(dispatcher, service, preference, timeoutMs, request, reply).catch((error: unknown) =>
          reply.send(error),
        )
        return
      }
    }
    const { method } = request.params
    const { inputBytes, outputBytes, streams } = service.contract.method(method)
    const invocation = invoker.call(service.name, method, {
      payload: inputBytes === undefined ? takePayload(request) : bytesOf(request),
      text: request.bodyText,
      timeoutMs,
      traceparent: traceparent(headers),
    })
    const { body } = request
    if (body instanceof BytePayload) invocation.whenSettled(() => body.release())
    reply.raw.on('close', () => invocation.abort('JOB_CANCELLED', 'the client hung up'))
    if (streams) return sendItems(invocation, request, reply)
    invocation.whenSettled((error, result) => {
      // Nobody reads it; and an answer to nobody has another shape, for which what is hot would be compiled anew.
      if (reply.raw.destroyed) return
      if (error !== undefined) reply.send(error)
      else if (result instanceof Uint8Array) sendBytes(reply, result, outputBytes)
      else reply.type('application/json; charset=utf-8').send(result)
    })
  }
}
