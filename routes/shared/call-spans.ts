/** A span for each request to the routes of a plugin, which are those of calls. */
import type { FastifyInstance } from 'fastify'
import type { Traces } from '../../src/contract/traces.ts'
import { traceparent } from './request-headers.ts'

/** Of a request whose client went away before the whole answer. */
const CLIENT_GONE = 'CLIENT_GONE'

export function traceCalls(app: FastifyInstance, traces: Traces): void {
  app.addHook('onRequest', (request, { raw }, done) => {
    const { service, method } = request.params as { service: string; method: string }
    const span = traces.call(service, method, traceparent(request.headers))
    // The handler reads the context from there: the call, or its job, continues the span of the request.
    if (span.traceparent !== undefined) request.raw.headers.traceparent = span.traceparent
    raw.once('close', () => {
      span.end(raw.statusCode, request.problem?.code ?? (raw.writableFinished ? undefined : CLIENT_GONE))
    })
    done()
  })
}
