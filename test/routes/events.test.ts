/** The stream of events: what it tells, how it is resumed, and its limits. */
import t, { type Test } from 'tap'
import { becomes, isProblem, serve, type TestServer, within } from '../http-helper.ts'
import { LineStream } from '../line-stream.ts'

interface Event extends Record<string, unknown> {
  id: string
  type: string
  service: string
}

const follow = (t: Test, server: TestServer, query = '', headers = {}) =>
  LineStream.open<Event>(t, server, `/v1/events${query}`, headers)

/** Several nodes are behind one address: see `cluster/black-box.test.ts`. */
const isCluster = process.env.TEST_DATABASE !== undefined

const typesOf = ({ lines }: LineStream<Event>) => lines.map(({ type }) => type)

t.test('services and threads are told of, with the present state first if that is asked for', async (t) => {
  const server = await serve(t, { services: { echo: 'echo', gate: 'gate' } })
  const stream = await follow(t, server, '?snapshot=true&service=echo')
  await stream.has(({ type }) => type === 'snapshot')
  t.match(stream.lines, [
    { type: 'hello', cursor: stream.response.headers['event-cursor'], resumed: false, server: { boot: String } },
    { type: 'snapshot', services: [{ name: 'echo', state: 'running' }], last: true },
  ])
  await server.post('/v1/services/echo/crash', { kind: 'exit' })
  const crashed = await stream.has(({ type }) => type === 'thread.crashed')
  t.match(crashed, {
    service: 'echo',
    thread: { index: 0 },
    cause: 'exit',
    chargedTo: 'service',
    error: { message: String },
  })
  const state = (to: string) => stream.has((event) => event.type === 'service.state' && event.state === to)
  t.match(await state('backoff'), {
    from: 'running',
    nextStartAt: /^\d{4}-/,
    reason: String,
    restartBudget: { remaining: Number },
  })
  await state('running')
  await server.request('PATCH', '/v1/services/echo', { json: { threads: 2 } })
  t.match(await stream.has(({ type }) => type === 'service.options'), { changed: ['threads'] })
  await server.post('/v1/services/echo/reload')
  t.match(await stream.has(({ type }) => type === 'service.reloaded'), { module: 'echo.js', methods: { added: [] } })
  await stream.has((event) => event.type === 'thread.ended' && event.reason === 'reload')
  await server.post('/v1/services/gate/stop')
  await server.put('echo2', { module: 'echo.js' })
  await server.delete('/v1/services/echo')
  t.match(await stream.has(({ type }) => type === 'service.removed'), { service: 'echo' })
  t.notOk(
    stream.lines.some(({ service }) => service === 'gate' || service === 'echo2'),
    'no other service',
  )
  t.notOk(
    typesOf(stream).some((type) => type.startsWith('job.')),
    'jobs only if they are asked for',
  )
})

t.test('a client that follows jobs is told each step; failures are told always', async (t) => {
  const server = await serve(t, { services: { faults: 'faults' } })
  const jobs = await follow(t, server, '?type=job.*')
  const plain = await follow(t, server)
  const { json: failing } = await server.cast('faults', 'throws', {}, '?maxAttempts=2')
  const of = (type: string, id: string) => (event: Event) =>
    event.type === type && (event.job as { id: string }).id === id
  const failed = await jobs.has(of('job.failed', failing.id))
  t.match(failed, { job: { service: 'faults', attempts: 2, state: 'failed' }, error: { code: 'METHOD_FAILED' } })
  const told = jobs.lines.filter(({ job }) => (job as { id: string } | undefined)?.id === failing.id)
  const order = told.map(({ type }) => type)
  // The node that has accepted it need not be the one that runs it: what two nodes tell may come in any order.
  if (isCluster) order.unshift(...order.splice(order.indexOf('job.accepted'), 1))
  t.strictSame(order, ['job.accepted', 'job.started', 'job.retrying', 'job.started', 'job.failed'])
  await plain.has(of('job.failed', failing.id))
  t.strictSame(
    typesOf(plain).filter((type) => type.startsWith('job.')),
    ['job.failed'],
  )
  const { json: later } = await server.cast('faults', 'throws', {}, '?delayMs=3600000')
  await server.post(`/v1/jobs/${later.id}/cancel`)
  await jobs.has(of('job.cancelled', later.id))
  await server.delete(`/v1/jobs/${later.id}`)
  await jobs.has(of('job.deleted', later.id))
})

t.test('schedules, and the end of the server, are told', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  const stream = await follow(t, server)
  const path = '/v1/services/echo/schedules/often'
  await server.request('PUT', path, { json: { cron: '* * * * * *', method: 'any', payload: 1 } })
  t.match(await stream.has(({ type }) => type === 'schedule.set'), {
    service: 'echo',
    name: 'often',
    nextAt: /^\d{4}-/,
  })
  t.match(await stream.has(({ type }) => type === 'schedule.fired'), { name: 'often', jobId: String, nextAt: String })
  await server.delete(path)
  await stream.has(({ type }) => type === 'schedule.removed')
  await server.close()
  await within(stream.ended, 'the end of the stream')
  t.match(stream.lines.at(-1), { type: 'service.state', state: 'stopped' })
  t.ok(typesOf(stream).includes('server.closing'))
  t.ok(stream.response.complete, 'it ends in good order')
})

t.test('a client that reads a list and then follows the events misses nothing, however often it is cut', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  // A node knows the events of others from the first client on that follows them there.
  if (isCluster) await Promise.all(['a', 'b', 'c'].map(() => follow(t, server)))
  const list = await server.get('/v1/services')
  let cursor = list.headers['event-cursor'] as string
  const seen: string[] = []
  for (let cut = 0; cut < 100; cut += 1) {
    const stream = await follow(
      t,
      server,
      cut % 2 === 0 ? `?after=${cursor}` : '',
      cut % 2 === 0 ? {} : { 'last-event-id': cursor },
    )
    const wish = cut % 2 === 0 ? 'pause' : 'resume'
    await server.post(`/v1/services/echo/${wish}`)
    if (Math.random() < 0.7) await stream.has(({ type }) => type === 'service.state')
    stream.request.destroy()
    await stream.ended
    const got = stream.lines.filter(({ type }) => type !== 'hello')
    seen.push(...got.map(({ state }) => String(state)))
    cursor = stream.lines.at(-1)?.id ?? cursor
  }
  const rest = await follow(t, server, `?after=${cursor}&type=service.*,server.*`)
  await rest.has(({ type }) => type === 'hello')
  await server.close()
  await within(rest.ended, 'the end')
  seen.push(...rest.lines.filter(({ type }) => type === 'service.state').map(({ state }) => String(state)))
  const expected = Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? 'paused' : 'running'))
  t.strictSame(seen, [...expected, 'stopping', 'stopped'])
})

t.test('what is not kept any more is a gap, and so is an earlier start of the server', async (t) => {
  const first = await serve(t, { services: { echo: 'echo' } })
  const { events } = first.server
  for (let count = 0; count < 10_050; count += 1) {
    events.emit({ type: 'service.options', service: 'echo', changed: [String(count)] })
  }
  const items = (await first.get('/v1/events', { headers: { accept: 'application/json' } })).json.items as Event[]
  t.equal(items.length, 10_000)
  t.match(items.at(-1), { changed: ['10049'] })
  const stream = await follow(t, first, `?after=${events.boot}-10&type=service.*`)
  const gap = isCluster ? { reason: 'node', lost: null } : { reason: 'ring', lost: Number }
  t.match(await stream.has(({ type }) => type === 'gap'), { from: `${events.boot}-10`, ...gap })
  await stream.has((event) => event.id === items.at(-1)?.id)
  t.equal(stream.lines.filter(({ type }) => type === 'service.options').length, 10_000, 'what is kept follows')

  const second = await serve(t, { services: { echo: 'echo' } })
  const other = await follow(t, second, `?after=${events.boot}-10`)
  t.match(await other.has(({ type }) => type === 'gap'), { from: `${events.boot}-10`, reason: 'restart', lost: null })
  await other.has((event) => event.type === 'service.state' && event.state === 'running')
})

t.test('server-sent events begin with a time to connect again, and have the id of each event', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  const response = await fetch(`http://127.0.0.1:${server.port}/v1/events`, { signal: abort.signal })
  t.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  t.equal(response.headers.get('cache-control'), 'no-store')
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const { value } = await reader.read()
  t.match(
    Buffer.from(value as Uint8Array).toString(),
    /^retry: 2000\n\nid: [0-9a-f]{10}-\d+\ndata: \{"id":"[^\n]*\}\n\n$/,
  )
  await reader.cancel()
})

t.test('wrong queries are refused, and so are too many streams', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' }, maxStreams: 2 })
  isProblem(t, await server.get('/v1/events?type=service.*,nothing'), 'MALFORMED_QUERY', { detail: /"nothing"/ })
  isProblem(t, await server.get('/v1/events?after=garbage'), 'MALFORMED_QUERY', { detail: /no cursor/ })
  isProblem(t, await server.get('/v1/events?snapshot=maybe'), 'MALFORMED_QUERY')
  const first = await follow(t, server)
  await follow(t, server)
  isProblem(t, await server.get('/v1/events'), 'TOO_MANY_STREAMS', { detail: /too many streams/ })
  first.request.destroy()
  await becomes('room for another stream', async () => {
    const another = await follow(t, server)
    return another.response.statusCode === 200
  })
})

t.test('a client that does not read is cut, and others get every event', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  const lazy = await follow(t, server, '?type=service.options')
  lazy.response.pause()
  lazy.response.socket.pause()
  const keen = await follow(t, server, '?type=service.options')
  const { events } = server.server
  const changed = ['x'.repeat(50_000)]
  let sent = 0
  await becomes('the lazy client to be cut', async () => {
    for (let count = 0; count < 20; count += 1) events.emit({ type: 'service.options', service: 'echo', changed })
    sent += 20
    await keen.has(() => keen.lines.length > sent)
    return server.server.app.server.listening && (await connections(server)) === 1
  })
  t.equal(keen.lines.length, sent + 1)
})

function connections({ server }: TestServer): Promise<number> {
  return new Promise((resolve) => server.app.server.getConnections((_error, count) => resolve(count)))
}
