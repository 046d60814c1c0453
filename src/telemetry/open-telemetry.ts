/**
 * Traces with the API of OpenTelemetry. The SDK is the user's, who loads it with `node --import`; without one, the API
 * does nothing. This module is loaded only if THREADPLANE_TRACES is set: without the setting it costs nothing.
 */
import {
  type Attributes,
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import type { CallSpan, TracedAttempt, Traces, WorkSpan } from '../contract/traces.ts'

/** An attempt that begins later than this after its cast is a trace of its own: a trace of days can hardly be shown. */
const CHILD_WITHIN_MS = 60_000
const CALL_ROUTE = '/v1/services/{service}/call/{method}'
const SYSTEM = 'threadplane'

export class OpenTelemetry implements Traces {
  readonly #tracer: Tracer

  /** @param version of threadplane */
  constructor(version: string) {
    this.#tracer = trace.getTracer('threadplane', version)
  }

  call(service: string, method: string, parent: string | undefined): CallSpan {
    const attributes = { ...rpc(service, method), 'http.request.method': 'POST', 'http.route': CALL_ROUTE }
    const span = this.#tracer.startSpan(`POST ${CALL_ROUTE}`, { kind: SpanKind.SERVER, attributes }, contextOf(parent))
    return {
      traceparent: traceparentOf(span) ?? parent,
      end(status, errorCode) {
        span.setAttribute('http.response.status_code', status)
        if (errorCode !== undefined) span.setAttribute('error.type', errorCode)
        // An error of the client is none of the server.
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
        span.end()
      },
    }
  }

  cast(service: string, method: string, jobs: number, parent: string | undefined): WorkSpan {
    const attributes = { ...messaging(service, method, 'send'), 'messaging.batch.message_count': jobs }
    return this.#work(`cast ${service}`, { kind: SpanKind.PRODUCER, attributes }, parent)
  }

  commit(cast: string | undefined): WorkSpan {
    return this.#work('journal commit', { kind: SpanKind.INTERNAL }, cast)
  }

  attempt({ service, method, id, number, castAt, cast }: TracedAttempt): WorkSpan {
    const castContext = cast === null ? undefined : spanContextOf(cast)
    const isSoon = Date.now() - castAt <= CHILD_WITHIN_MS
    return this.#work(
      `process ${service}`,
      {
        kind: SpanKind.CONSUMER,
        attributes: {
          ...messaging(service, method, 'process'),
          'messaging.message.id': id,
          'threadplane.attempt': number,
        },
        links: castContext === undefined ? [] : [{ context: castContext }],
      },
      isSoon && cast !== null ? cast : undefined,
    )
  }

  #work(name: string, options: SpanOptions, parent: string | undefined): WorkSpan {
    const span = this.#tracer.startSpan(name, options, contextOf(parent))
    return { traceparent: traceparentOf(span) ?? parent, end: (error) => endSpan(span, error) }
  }

  settled(
    { service, method, job, queuedAt, ranMs, begunAt }: Parameters<Traces['settled']>[0],
    error?: { code: string },
  ) {
    const now = performance.now()
    const begun = ranMs === undefined ? begunAt : Math.max(now - ranMs, queuedAt)
    const parent = contextOf(job.traceparent)
    // The clock of the spans is that of the day.
    const timeOf = (at: number) => Date.now() - (now - at)
    const part = (name: string, from: number, to: number, partError?: { code: string }) => {
      const options = { startTime: timeOf(from), attributes: rpc(service, method) }
      endSpan(this.#tracer.startSpan(name, options, parent), partError, timeOf(to))
    }
    part('queue', queuedAt, begun ?? now, begun === undefined ? error : undefined)
    if (begun !== undefined) part('run', begun, now, error)
  }
}

function endSpan(span: Span, error: { code: string } | undefined, at?: number): void {
  if (error !== undefined) {
    span.setAttribute('error.type', error.code)
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end(at)
}

function rpc(service: string, method: string): Attributes {
  return { 'rpc.system.name': SYSTEM, 'rpc.method': `${service}/${method}` }
}

function messaging(service: string, method: string, operation: 'send' | 'process'): Attributes {
  return {
    ...rpc(service, method),
    'messaging.system': SYSTEM,
    'messaging.destination.name': service,
    'messaging.operation.type': operation,
  }
}

function contextOf(traceparent: string | undefined): Context {
  const parent = traceparent === undefined ? undefined : spanContextOf(traceparent)
  return parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent)
}

/** @param traceparent the header, which was checked where it was read */
function spanContextOf(traceparent: string): SpanContext | undefined {
  const [, traceId = '', spanId = '', flags = '0'] = traceparent.split('-')
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
  return isSpanContextValid(context) ? context : undefined
}

function traceparentOf(span: Span): string | undefined {
  const context = span.spanContext()
  if (!isSpanContextValid(context)) return undefined
  const { traceId, spanId, traceFlags } = context
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}
