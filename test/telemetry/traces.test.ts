/** Traces as an SDK of OpenTelemetry exports them: of calls, of casts, and of the attempts of jobs. */
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import t, { type Test } from 'tap'
import { OpenTelemetry } from '../../src/telemetry/open-telemetry.ts'
import { becomes, serve } from '../http-helper.ts'

const CALL = 'POST /v1/services/{service}/call/{method}'
const CLIENT = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }
const headers = { traceparent: `00-${CLIENT.traceId}-${CLIENT.spanId}-01` }

/** Registers an SDK for one test. Answers the spans that have ended. */
function exported(t: Test): () => ReadableSpan[] {
  const exporter = new InMemorySpanExporter()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  t.teardown(() => trace.disable())
  return () => exporter.getFinishedSpans()
}

/** Waits until spans with these names have ended. Answers them, in the order of the names. */
async function ended(spans: () => ReadableSpan[], ...names: string[]): Promise<ReadableSpan[]> {
  const found = () => {
    const left = [...spans()]
    return names.map((name) => {
      const at = left.findIndex((span) => span.name === name)
      return at === -1 ? undefined : left.splice(at, 1)[0]
    })
  }
  await becomes(`the spans ${names.join(', ')}`, () => !found().includes(undefined))
  return found() as ReadableSpan[]
}

const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId
const traceOf = (span: ReadableSpan | undefined) => span?.spanContext().traceId
const parentOf = (span: ReadableSpan | undefined) => span?.parentSpanContext?.spanId
const millisecondsOf = ([seconds, nanoseconds]: [number, number]) => seconds * 1e3 + nanoseconds / 1e6

t.test('without an SDK the context of the client goes on to the handler', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' }, traces: new OpenTelemetry('0') })
  await server.post('/v1/services/gate/cast/hold', { token: 'none' }, { headers })
  t.match(await server.logs.line('begun', { token: 'none' }), { traceId: CLIENT.traceId, trace_id: CLIENT.traceId })
})

t.test('a call is a span of the server, with its wait and its run', async (t) => {
  const spans = exported(t)
  const server = await serve(t, { services: { gate: 'gate' }, traces: new OpenTelemetry('0') })
  const call = server.call('gate', 'hold', { token: 'a' }, { headers })
  const line = await server.logs.line('begun', { token: 'a' })
  t.equal(line.trace_id, CLIENT.traceId)
  await server.call('gate', 'release', { token: 'a' })
  await call
  const [request, wait, run] = await ended(
    () => spans().filter((span) => traceOf(span) === CLIENT.traceId),
    CALL,
    'queue',
    'run',
  )
  t.equal(request?.kind, SpanKind.SERVER)
  t.equal(parentOf(request), CLIENT.spanId)
  t.match(request?.attributes, {
    'rpc.system.name': 'threadplane',
    'rpc.method': 'gate/hold',
    'http.response.status_code': 200,
  })
  t.notOk(request?.attributes['error.type'])
  for (const part of [wait, run]) {
    t.equal(parentOf(part), idOf(request))
    t.match(part?.attributes, { 'rpc.system.name': 'threadplane', 'rpc.method': 'gate/hold' })
  }
  t.ok(millisecondsOf(wait?.endTime ?? [0, 0]) <= millisecondsOf(run?.startTime ?? [0, 0]) + 1, 'one after the other')
})

t.test('a call that fails, and one that is refused, say why', async (t) => {
  const spans = exported(t)
  const server = await serve(t, { services: { faults: 'faults' }, traces: new OpenTelemetry('0') })
  await server.call('faults', 'throws', {})
  await server.call('faults', 'nothing', {})
  const [failed, refused, run] = await ended(spans, CALL, CALL, 'run')
  t.match(failed?.attributes, { 'error.type': 'METHOD_FAILED', 'http.response.status_code': 500 })
  t.equal(failed?.status.code, SpanStatusCode.ERROR)
  t.equal(run?.attributes['error.type'], 'METHOD_FAILED')
  t.match(refused?.attributes, { 'error.type': 'METHOD_NOT_FOUND', 'http.response.status_code': 404 })
  t.equal(refused?.status.code, SpanStatusCode.UNSET, 'a fault of the client')
})

t.test('a client that goes away ends the span of its call', async (t) => {
  const spans = exported(t)
  const server = await serve(t, { services: { gate: 'gate' }, traces: new OpenTelemetry('0') })
  const gone = new AbortController()
  const call = server.call('gate', 'hold', { token: 'gone' }, { signal: gone.signal })
  await server.logs.line('begun', { token: 'gone' })
  gone.abort()
  await t.rejects(call)
  const [request] = await ended(spans, CALL)
  t.equal(request?.attributes['error.type'], 'CLIENT_GONE')
})

t.test('a cast is a span of a producer, and each attempt of its job one of a consumer', async (t) => {
  const spans = exported(t)
  const server = await serve(t, { services: { faults: 'faults' }, traces: new OpenTelemetry('0') })
  const { json: job } = await server.post('/v1/services/faults/cast/throws?maxAttempts=2', {}, { headers })
  await server.finished(job.id)
  const [cast, commit, first, second] = await ended(
    spans,
    'cast faults',
    'journal commit',
    'process faults',
    'process faults',
    'run',
    'run',
  )
  t.equal(cast?.kind, SpanKind.PRODUCER)
  t.equal(parentOf(cast), CLIENT.spanId)
  t.equal(traceOf(cast), CLIENT.traceId)
  t.equal(parentOf(commit), idOf(cast))
  for (const [index, attempt] of [first, second].entries()) {
    t.equal(attempt?.kind, SpanKind.CONSUMER)
    t.equal(parentOf(attempt), idOf(cast))
    t.strictSame(
      attempt?.links.map(({ context }) => context.spanId),
      [idOf(cast)],
    )
    t.match(attempt?.attributes, {
      'messaging.message.id': job.id,
      'threadplane.attempt': index + 1,
      'error.type': 'METHOD_FAILED',
    })
  }
  t.ok(spans().some((span) => span.name === 'run' && parentOf(span) === idOf(first)))
})

t.test('an attempt that never began has no span', async (t) => {
  const spans = exported(t)
  const server = await serve(t, { services: { gate: 'gate' }, traces: new OpenTelemetry('0') })
  await server.post('/v1/services/gate/pause')
  const { json: job } = await server.cast('gate', 'nap')
  await server.post('/v1/services/gate/stop')
  await server.post('/v1/services/gate/start')
  await server.finished(job.id)
  await ended(spans, 'cast gate', 'process gate')
  const attempts = spans().filter(({ name }) => name === 'process gate' || name === 'queue' || name === 'run')
  t.strictSame(attempts.map(({ name }) => name).sort(), ['process gate', 'queue', 'run'])
})

t.test('an attempt long after its cast is a trace of its own, linked to the cast', async (t) => {
  const spans = exported(t)
  const job = { service: 'primes', method: 'count', id: 'a', number: 1, cast: headers.traceparent }
  const telemetry = new OpenTelemetry('0')
  for (const ageMs of [59_000, 61_000]) telemetry.attempt({ ...job, castAt: Date.now() - ageMs }).end()
  const [soon, late] = spans()
  t.equal(traceOf(soon), CLIENT.traceId)
  t.not(traceOf(late), CLIENT.traceId)
  t.equal(late?.parentSpanContext, undefined)
  t.match(late?.links, [{ context: CLIENT }])
})
