/** Calls: the response is the result of the method. */
import t from 'tap'
import { isProblem, letGo, openGate, serve } from '../http-helper.ts'

const server = await serve(t, {
  services: { echo: 'echo', gate: 'gate', refines: 'refines', imports: 'waits-at-import' },
  start: false,
})
await Promise.all(['echo', 'gate', 'refines'].map((name) => server.post(`/v1/services/${name}/start`)))

t.test('a payload may be an object, a tuple, or any other JSON', async (t) => {
  t.match(await server.call('echo', 'byName', { name: 'ab', times: 2 }), { status: 200, json: 'abab' })
  t.match(await server.call('echo', 'byName', { name: 'ab' }), { json: 'ab' }, 'defaults are filled in')
  t.match(await server.call('echo', 'byPosition', [5, 3]), { json: 2 })
  t.match(await server.call('echo', 'scalar', 41), { json: 42 })
  for (const payload of [null, 0, '', false, [], {}, [null], 'text', 1e21, -0.5]) {
    t.same((await server.call('echo', 'any', payload)).json, payload)
  }
})

t.test('a request without a body has the payload {}', async (t) => {
  t.same((await server.call('echo', 'any')).json, {})
  isProblem(t, await server.call('echo', 'byName'), 'VALIDATION_FAILED', { errors: [{ pointer: '/name' }] })
})

t.test('a result is sent as JSON in UTF-8; undefined is sent as null', async (t) => {
  const answer = await server.call('echo', 'any', 'ü💩\u2028\u0000"\\')
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
  t.equal(answer.json, 'ü💩\u2028\u0000"\\')
  t.equal(Number(answer.headers['content-length']), Buffer.byteLength(answer.text))
  t.equal((await server.call('echo', 'nothing')).text, 'null')
  t.equal((await server.call('echo', 'any', null)).text, 'null')
  t.equal((await server.call('echo', 'any', '')).text, '""')
  const odd = '{"constructor":1,"toString":{"valueOf":null},"a/b~c":[]}'
  const headers = { 'content-type': 'application/json' }
  t.equal((await server.call('echo', 'any', undefined, { body: odd, headers })).text, odd)
})

t.test('the handler gets a job: an id, attempt 1, and the trace of the request', async (t) => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const { json } = await server.call('echo', 'job', {}, { headers: { traceparent } })
  t.match(json, { id: /^[0-9a-f]{8}-[0-9a-f]{4}-7/, attempt: 1, traceparent })
  t.notOk('traceparent' in (await server.call('echo', 'job')).json)
  t.notOk('traceparent' in (await server.call('echo', 'job', {}, { headers: { traceparent: 'x'.repeat(300) } })).json)
})

t.test('Request-Timeout accepts durations in ms, s, m and h, and nothing else', async (t) => {
  for (const timeout of ['500ms', '10s', '1.5s', '2m', '24h']) {
    const headers = { 'request-timeout': timeout }
    t.equal((await server.call('echo', 'any', 1, { headers })).status, 200, timeout)
  }
  for (const timeout of [
    '',
    '10',
    '-1s',
    '0s',
    '0.5ms',
    '25h',
    '1d',
    '1e3s',
    '10 s',
    '10s, 20s',
    'Infinity',
    '9'.repeat(50),
  ]) {
    const headers = { 'request-timeout': timeout }
    isProblem(t, await server.call('echo', 'any', 1, { headers }), 'MALFORMED_HEADER', { detail: /Request-Timeout/ })
    isProblem(t, await server.post('/v1/services/echo/cast/any', 1, { headers }), 'MALFORMED_HEADER')
  }
})

t.test('a deadline of the client fires the signal of the handler, and the thread lives on', async (t) => {
  const before = await server.status('gate')
  const headers = { 'request-timeout': '1s' }
  const late = server.call('gate', 'hold', { token: 'late' }, { headers })
  const stubborn = server.call('gate', 'stubborn', { token: 'stubborn' }, { headers })
  isProblem(t, await late, 'DEADLINE_EXCEEDED', { started: true })
  t.match(await server.logs.line('aborted', { token: 'late' }), { reason: /1000 ms/ })
  isProblem(t, await stubborn, 'DEADLINE_EXCEEDED', { started: true })
  await server.logs.line('aborted', { token: 'stubborn' })
  t.match(await server.call('gate', 'nap'), { json: 'rested' })
  await server.call('gate', 'release', { token: 'stubborn' })
  t.equal((await server.status('gate')).threads[0].id, before.threads[0].id, 'it is the same thread')
})

t.test('a client that closes the connection fires the signal of the handler, and the thread lives on', async (t) => {
  const before = await server.status('gate')
  const client = new AbortController()
  const call = server.call('gate', 'hold', { token: 'gone' }, { signal: client.signal })
  await server.logs.line('begun', { token: 'gone' })
  client.abort()
  await t.rejects(call, { name: 'AbortError' })
  t.match(await server.logs.line('aborted', { token: 'gone' }), { reason: /closed the connection/ })
  t.match(await server.call('gate', 'nap'), { json: 'rested' })
  t.equal((await server.status('gate')).threads[0].id, before.threads[0].id, 'it is the same thread')
})

t.test('a queued call whose client closes the connection never runs', async (t) => {
  await server.put('single', { module: 'gate.js', numWorkers: 1 })
  const held = server.call('single', 'hold', { token: 'in the way' })
  await server.logs.line('begun', { token: 'in the way' })
  const client = new AbortController()
  const call = server.call('single', 'hold', { token: 'never' }, { signal: client.signal })
  await server.waiting('single', 1)
  client.abort()
  await t.rejects(call, { name: 'AbortError' })
  await server.waiting('single', 0)
  openGate('in the way')
  t.match(await held, { json: 'in the way' })
  t.match(await server.call('single', 'nap'), { json: 'rested' })
  t.notOk(server.logs.has('begun', { token: 'never' }))
})

t.test('a call whose client closes the connection before the module is described never runs', async (t) => {
  const start = server.post('/v1/services/imports/start')
  await server.logs.line('waits at import', { service: 'imports' })
  const client = new AbortController()
  const call = server.call('imports', 'go', {}, { signal: client.signal })
  // Answered after the call has arrived.
  await server.get('/livez')
  client.abort()
  await t.rejects(call, { name: 'AbortError' })
  await server.get('/livez')
  letGo('imports')
  t.equal((await start).status, 200)
  t.equal((await server.call('imports', 'go')).status, 200)
  t.match(await server.status('imports'), { counts: { calls: 1 } })
})

t.test('a payload that only the thread can refuse is refused with 422 and a pointer', async (t) => {
  t.match(await server.call('refines', 'even', { n: 2 }), { json: 2 })
  const facts = { service: 'refines', method: 'even', errors: [{ pointer: '/n', message: 'It is odd' }] }
  isProblem(t, await server.call('refines', 'even', { n: 1 }), 'VALIDATION_FAILED', facts)
})

t.test('calls are counted', async (t) => {
  await server.put('counted', { module: 'echo.js' })
  await server.call('counted', 'any')
  await server.call('counted', 'scalar', 'refused beforehand')
  await server.call('counted', 'bigint')
  t.match(await server.status('counted'), {
    counts: { calls: 2, casts: 0, succeeded: 1, failed: 1 },
    queue: { size: 0, running: 0, capacity: 10_000 },
  })
})
