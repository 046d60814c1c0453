/** The errors that a service causes: its state, its schemas, its methods, its threads. Each is a problem document (P6). */
import t from 'tap'
import { isProblem, serve } from '../http-helper.ts'

const server = await serve(t, { services: { echo: 'echo', gate: 'gate', fails: 'fails', dies: 'dies' } })

t.test('409: an operation that the present state does not allow', async (t) => {
  await server.put('idle', { module: 'echo.js', autostart: false })
  isProblem(t, await server.post('/v1/services/idle/pause'), 'CONFLICT', { service: 'idle', detail: /stopped/ })
  isProblem(t, await server.post('/v1/services/idle/resume'), 'CONFLICT', { service: 'idle' })
  isProblem(t, await server.post('/v1/services/idle/crash'), 'CONFLICT', { service: 'idle' })
})

t.test('422: a payload that its schema refuses, with a JSON pointer to each refused part', async (t) => {
  const errors = [{ pointer: '/name' }, { pointer: '/times' }]
  for (const answer of [
    await server.call('echo', 'byName', { name: 1, times: 'x' }),
    await server.cast('echo', 'byName', { name: 1, times: 'x' }),
  ]) {
    isProblem(t, answer, 'VALIDATION_FAILED', { service: 'echo', method: 'byName', errors })
  }
  isProblem(t, await server.call('echo', 'byPosition', [1]), 'VALIDATION_FAILED', { service: 'echo' })
  isProblem(t, await server.call('echo', 'scalar', 'one'), 'VALIDATION_FAILED', {
    errors: [{ pointer: '', message: /expected number/ }],
  })
  isProblem(t, await server.post('/v1/services/echo/crash', { kind: 'softly' }), 'VALIDATION_FAILED', {
    errors: [{ pointer: '/kind', message: /exception, exit, hang, oom/ }],
  })
})

t.test('500: the method threw; the answer has the name, message and code of the error, and no stack', async (t) => {
  const facts = { service: 'fails', jobId: String, started: true }
  const answer = await server.call('fails', 'throws')
  isProblem(t, answer, 'METHOD_FAILED', {
    ...facts,
    method: 'throws',
    error: { name: 'RangeError', message: 'no such luck', code: 'E_LUCK' },
  })
  t.notMatch(answer.text, 'stack')
  isProblem(t, await server.call('fails', 'throwsText'), 'METHOD_FAILED', {
    ...facts,
    error: { message: 'just text' },
  })
  const final = await server.call('fails', 'notRetryable')
  t.match(final.json, { code: 'METHOD_FAILED', retryable: false }, 'the method overrides the table')
})

t.test('failed calls are logged: the first ones of a method and a code, not the refusals of payloads', async (t) => {
  const logging = await serve(t, { services: { fails: 'fails' } })
  for (let n = 0; n < 8; n += 1) await logging.call('fails', 'throws')
  await logging.call('fails', 'notRetryable')
  await logging.call('fails', 'flaky', { token: 1 })
  const lines = logging.logs.lines('a call failed').filter(({ level }) => level >= 40)
  t.strictSame(
    lines.map(({ level, service, method }) => [level, service, method]),
    [...Array.from({ length: 5 }, () => [40, 'fails', 'throws']), [40, 'fails', 'notRetryable']],
  )
})

t.test('with THREADPLANE_REQUEST_LOG each request has a line; without, none has', async (t) => {
  const logging = await serve(t, { services: { echo: 'echo', streams: 'streams' }, requestLog: true })
  await logging.call('echo', 'any', 'x')
  const route = '/v1/services/:service/call/:method'
  t.match(await logging.logs.line(`POST ${route} 200`), {
    level: 30,
    httpMethod: 'POST',
    route,
    status: 200,
    bytes: 3,
    service: 'echo',
    method: 'any',
    remote: '127.0.0.1',
    ms: Number,
  })
  await logging.get('/nonsense?secret')
  t.match(await logging.logs.line('GET none 404'), { route: 'none', status: 404 })
  await logging.get('/v1/jobs', { headers: { host: 'evil.example' } })
  await logging.logs.line('GET /v1/jobs 403')
  const streamed = await logging.call('streams', 'count', { to: 3 })
  const line = await logging.logs.line(`POST ${route} 200`, { method: 'count' })
  t.ok((line.bytes as number) >= streamed.bytes.length)
  t.notOk(server.logs.records.find(({ msg }) => msg.startsWith('POST')))
})

t.test('500: with THREADPLANE_SHOW_STACKS the answer has the stack of the error', async (t) => {
  const open = await serve(t, { services: { fails: 'fails', streams: 'streams' }, showStacks: true })
  isProblem(t, await open.call('fails', 'throws'), 'METHOD_FAILED', { error: { stack: /fails\.js/ } })
  const headers = { accept: 'text/event-stream' }
  const { text } = await open.call('streams', 'count', { to: 1, last: 'throw' }, { headers })
  t.match(text, /"stack":"[^"]+streams\.js/, 'also if the answer had begun')
})

t.test('500: a result that cannot be serialized, is too large, or is refused by its schema', async (t) => {
  const facts = (method: string) => ({ service: 'echo', method, jobId: String, started: true })
  for (const [method, detail] of [
    ['cyclic', /circular/i],
    ['bigint', /BigInt/],
  ] as const) {
    isProblem(t, await server.call('echo', method), 'RESULT_NOT_SERIALIZABLE', { ...facts(method), detail })
  }
  t.equal((await server.call('echo', 'sized', 9_998)).status, 200)
  const detail = /10000 bytes/
  isProblem(t, await server.call('echo', 'sized', 9_999), 'RESULT_NOT_SERIALIZABLE', { ...facts('sized'), detail })
  isProblem(t, await server.call('echo', 'wrongResult'), 'RESULT_INVALID', {
    ...facts('wrongResult'),
    errors: [{ pointer: '/n', message: String }],
  })
})

t.test('502: the thread died during the call', async (t) => {
  for (const [method, detail] of [
    ['exit', /exited with code 3/],
    ['throwLater', /thrown beside the method/],
  ] as const) {
    const facts = { service: 'dies', method, jobId: String, started: true, detail }
    isProblem(t, await server.call('dies', method), 'THREAD_DIED', facts)
    await server.reaches('dies', 'running')
  }
})

t.test('503: the service does not run, or its queue is full', async (t) => {
  isProblem(t, await server.call('idle', 'any'), 'SERVICE_NOT_RUNNING', {
    service: 'idle',
    method: 'any',
    started: false,
  })

  await server.put('narrow', { module: 'gate.js', queueCapacity: 1, numWorkers: 1, prefetch: 0 })
  const held = server.call('narrow', 'hold', { token: 'first' })
  await server.logs.line('begun', { token: 'first', service: 'narrow' })
  const waiting = server.call('narrow', 'nap')
  // Either call may arrive first: it waits, and the other call is refused.
  const other = server.call('narrow', 'nap')
  const full = await Promise.race([waiting, other])
  isProblem(t, full, 'QUEUE_FULL', { service: 'narrow', method: 'nap', started: false })
  await server.post('/v1/services/narrow/crash')
  isProblem(t, await held, 'THREAD_DIED')
  t.same(
    (await Promise.all([waiting, other])).map(({ status }) => status).sort((a, b) => a - b),
    [200, 503],
  )

  const limited = await server.put('heavy', { module: 'gate.js', queueBytes: 1_024, numWorkers: 1, prefetch: 0 })
  t.equal(limited.status, 201)
  const holding = server.call('heavy', 'hold', { token: 'heavy' })
  await server.logs.line('begun', { token: 'heavy', service: 'heavy' })
  const facts = { detail: /bytes/, started: false }
  const both = ['a', 'b'].map((letter) => server.call('heavy', 'nap', letter.repeat(600)))
  isProblem(t, await Promise.race(both), 'QUEUE_FULL', facts)
  await server.post('/v1/services/heavy/crash')
  await holding
  await Promise.all(both)
})

t.test('504: the deadline passed, before or after the method began', async (t) => {
  const facts = { service: 'gate', method: 'hold', jobId: String }
  // Long enough for the method to begin, also on a busy machine.
  const enough = { 'request-timeout': '500ms' }
  const answer = await server.call('gate', 'hold', { token: 'late' }, { headers: enough })
  isProblem(t, answer, 'DEADLINE_EXCEEDED', { ...facts, started: true, detail: /500 ms/ })
  await server.logs.line('aborted', { token: 'late' })

  await server.put('busy', { module: 'gate.js', numWorkers: 1 })
  const held = server.call('busy', 'hold', { token: 'busy' })
  await server.logs.line('begun', { token: 'busy' })
  const headers = { 'request-timeout': '50ms' }
  isProblem(t, await server.call('busy', 'hold', { token: 'next' }, { headers }), 'DEADLINE_EXCEEDED', {
    started: false,
  })
  await server.post('/v1/services/busy/crash')
  await held
  t.notOk(server.logs.has('begun', { token: 'next' }), 'a method that is aborted in the queue never runs')
})
