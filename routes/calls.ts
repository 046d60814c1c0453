/** `POST …/call/{method}`: runs a method, and answers with its result. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { BytePayload } from '../src/payload/byte-payload.ts'
import type { Forwarder } from '../src/cluster/forwarder.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import { JSON_TYPE } from '../src/payload/media-types.ts'
import { METHOD_DEFAULTS } from '../src/contract/options.ts'
import type { PayloadChecker } from '../src/payload/payload-checker.ts'
import { checkCharset, finishParsing, readJson } from '../src/http/json-body.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { Invoker } from '../src/services/call-invoker.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'
import { readBody, sendBytes } from './shared/byte-body.ts'
import { durableCall } from './shared/durable-call.ts'
import { type CallRequest, forwardCall, makesJob } from './shared/forward-call.ts'
import { bytesOf, takePayload } from './shared/payload.ts'
import { readPreference, requestTimeoutMs, traceparent } from './shared/request-headers.ts'
import { LARGE_BYTES } from './shared/stored-payload.ts'
import { sendItems } from './shared/stream-reply.ts'
import {
  accepted,
  IdempotencyHeader,
  KEY_EXPIRES,
  Payload,
  PREFERENCE_APPLIED,
  REFUSALS,
  TraceHeader,
} from './schemas/invocation.ts'
import type { Traces } from '../src/contract/traces.ts'
import { traceCalls } from './shared/call-spans.ts'
import { MethodParams } from './schemas/service.ts'

interface CallRoutesOptions {
  registry: Registry
  invoker: Invoker
  dispatcher: Dispatcher
  maxBodyBytes: number
  checker: PayloadChecker
  /** `undefined`: nobody records them. */
  traces: Traces | undefined
  /** Sends calls to other nodes; `undefined`: every call runs here. */
  forwarder: Forwarder | undefined
}

const CallHeaders = Type.Object({
  'request-timeout': Type.Optional(
    Type.String({ description: 'Deadline of the call, including its time in the queue: 500ms, 10s, 2m' }),
  ),
  prefer: Type.Optional(
    Type.String({
      description:
        'respond-async, wait=N: keep the call as a job; the result if it exists within N seconds (at most 60), else 202 with the job',
    }),
  ),
  ...IdempotencyHeader,
  ...TraceHeader,
})

/** The value of a JSON body; of a large one the body itself. @throws UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY */
function readSmallJson(request: FastifyRequest, body: BytePayload): unknown {
  if (body.size < LARGE_BYTES) return readJson(request, body.whole)
  checkCharset(request)
  return body
}

export const callRoutes: FastifyPluginAsyncTypebox<CallRoutesOptions> = async (
  app,
  { registry, invoker, dispatcher, maxBodyBytes, checker, traces, forwarder },
) => {
  if (traces !== undefined) traceCalls(app, traces)
  app.removeContentTypeParser(JSON_TYPE)
  app.addContentTypeParser(JSON_TYPE, (request: FastifyRequest, body: IncomingMessage, done) => {
    readBody(request, body, (error, payload) => {
      if (payload === undefined) done(error)
      else finishParsing(done, () => readSmallJson(request, payload))
    })
  })
  // A body of another type is read as bytes if the method accepts them. If the module is not described yet, the check
  // follows when it is.
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

  // Before the body is parsed, and only on a node of a cluster.
  const passOn = (request: CallRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    const { service } = request.params
    const passTo = (target: ReturnType<Forwarder['route']>) => {
      // The client may have closed the connection meanwhile.
      if (reply.raw.destroyed) return
      if (forwarder === undefined || target === undefined || target === 'here') done()
      else forwardCall(forwarder, target, registry.find(service), request, reply)
    }
    try {
      const target = makesJob(request) ? 'here' : forwarder?.routeSoon(service)
      if (target instanceof Promise) target.then(passTo).catch((error: unknown) => done(error as Error))
      else passTo(target)
    } catch (error) {
      done(error as Error)
    }
  }

  app.post('/services/:service/call/:method', {
    config: { scope: 'enqueue', audits: false },
    onRequest: forwarder === undefined ? [] : passOn,
    bodyLimit: maxBodyBytes,
    schema: {
      operationId: 'callMethod',
      tags: ['Invocations'],
      summary: 'Call a method and wait for its result',
      description:
        'The payload is checked before it reaches the thread. `Request-Timeout` bounds the call. With `Prefer: respond-async`, or with an `Idempotency-Key`, the call is kept as a job. Each method of a registered service has a typed operation of its own.',
      params: MethodParams,
      headers: CallHeaders,
      body: Payload,
      response: {
        200: {
          description: 'The result of the method: JSON, bytes, or a stream of items',
          headers: { ...PREFERENCE_APPLIED, ...KEY_EXPIRES },
          content: { 'application/json': { schema: Type.Unknown() } },
        },
        202: accepted('With `Prefer: respond-async`: the job, which continues', PREFERENCE_APPLIED),
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
    // For speed the handler returns nothing: for a promise, or a reply, Fastify adds listeners and promises of its own.
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
    // The client may have closed the connection while the module was being described.
    if (reply.raw.destroyed) return
    const { headers } = request
    if (headers.prefer !== undefined || headers['idempotency-key'] !== undefined) {
      const preference = readPreference(headers.prefer)
      if (preference.respondAsync || headers['idempotency-key'] !== undefined) {
        // What peers tell of themselves may be older than a stop.
        const runsElsewhere = service.desiredState === 'running' && typeof forwarder?.route(service.name) === 'object'
        const requestTimeout = { requestTimeoutMs: timeoutMs, runsElsewhere }
        durableCall({ dispatcher, checker, service, preference, ...requestTimeout, request, reply }).catch(
          (error: unknown) => reply.send(error),
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
    reply.raw.on('close', () => invocation.abort('JOB_CANCELLED', 'the client closed the connection before the result'))
    if (streams) return sendItems(invocation, request, reply)
    invocation.whenSettled((error, result) => {
      // The client is gone, so skip the reply. Fastify's reply code is hot, and V8 would compile it again for a closed
      // connection.
      if (reply.raw.destroyed) return
      if (error !== undefined) reply.send(error)
      else if (result instanceof Uint8Array) sendBytes(reply, result, outputBytes)
      else reply.type('application/json; charset=utf-8').send(result)
    })
  }
}
