/** What every route has in common: one error format (P6), limits of a request, who is served (P7), and the end. */
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ERRORS, type ErrorCode } from '../../src/contract/errors.ts'
import { buildServer } from '../../src/server/build-server.ts'
import { isProblem, letGo, Logs, openGate, type RequestOptions, request, serve } from '../http-helper.ts'

const server = await serve(t, {
  services: { echo: 'echo', gate: 'gate', fails: 'fails', dies: 'dies', refines: 'refines' },
  maxBodyBytes: 50_000,
})

/** It takes seconds, while the other tests run. */
const slowHeaders = server.raw('GET /livez HTTP/1.1\r\nHost: localhost\r\nX-')
slowHeaders.catch(() => {})

/** The problem document in a raw answer. */
const isRawProblem = (t: Test, text: string, code: ErrorCode) => {
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const { status } = ERRORS[code]
  t.ok(head.startsWith(`HTTP/1.1 ${status} `), head)
  t.match(head, /content-type: application\/problem\+json/i)
  t.match(JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1)), {
    type: String,
    title: String,
    status,
    detail: String,
    instance: String,
    code,
    retryable: Boolean,
  })
}

t.test('400: a body that is not JSON', async (t) => {
  for (const body of ['{', '{"a":1,}', 'nonsense', '"a" "b"', '\ufeff1x', '{"__proto__":{"a":1}}']) {
    const answer = await server.post('/v1/services/echo/call/any', undefined, {
      body,
      headers: { 'content-type': 'application/json' },
    })
    isProblem(t, answer, 'MALFORMED_BODY', { instance: '/v1/services/echo/call/any' })
  }
})

t.test('400: a body that is not UTF-8', async (t) => {
  const body = Buffer.from([0x22, 0xff, 0xfe, 0x22])
  for (const [path, type] of [
    ['call/any', 'application/json'],
    ['cast/any', 'application/json'],
    ['cast/any', 'application/x-ndjson'],
  ] as const) {
    const answer = await server.post(`/v1/services/echo/${path}`, undefined, {
      body,
      headers: { 'content-type': type },
    })
    isProblem(t, answer, 'MALFORMED_BODY', { detail: /not well-formed UTF-8/ })
  }
})

t.test('a problem says what its request was about, whoever has refused it', async (t) => {
  const call = (path: string, type: string, body: string) =>
    server.post(path, undefined, { body, headers: { 'content-type': type } })
  const about = { service: 'echo', method: 'any' }
  isProblem(t, await call('/v1/services/echo/call/any', 'application/json', '{'), 'MALFORMED_BODY', about)
  const latin = 'application/json; charset=latin1'
  isProblem(t, await call('/v1/services/echo/call/any', latin, '1'), 'UNSUPPORTED_MEDIA_TYPE', about)
  isProblem(t, await server.get('/v1/services/nobody'), 'SERVICE_NOT_FOUND', { service: 'nobody' })
  isProblem(t, await server.call('echo', 'nonsense'), 'METHOD_NOT_FOUND', { service: 'echo', method: 'nonsense' })
  isProblem(t, await server.get('/v1/jobs/none'), 'JOB_NOT_FOUND', { jobId: 'none' })
})

t.test('400: a header or a query string that is not well-formed', async (t) => {
  const headers = { 'request-timeout': 'soon' }
  isProblem(t, await server.call('echo', 'any', 1, { headers }), 'MALFORMED_HEADER', {
    detail: /Request-Timeout.*soon/,
  })
  isProblem(t, await server.get('/v1/jobs?limit=many'), 'MALFORMED_QUERY')
  for (const path of ['/v1/services/echo/stop?Drain=false', '/v1/services/echo/stop?drain=no']) {
    isProblem(t, await server.post(path), 'MALFORMED_QUERY')
  }
  isProblem(t, await server.delete('/v1/services/echo?canceljobs=true'), 'MALFORMED_QUERY')
  isProblem(t, await server.get('/v1/jobs?nonsense=1'), 'MALFORMED_QUERY')
})

t.test('404: an unknown route, service, method or job, with the names that exist', async (t) => {
  isProblem(t, await server.get('/v1/nonsense'), 'ROUTE_NOT_FOUND')
  isProblem(t, await server.get('/v1/%zz'), 'ROUTE_NOT_FOUND')
  const services = /there are: dies, echo, fails, gate, refines/
  isProblem(t, await server.get('/v1/services/nonsense'), 'SERVICE_NOT_FOUND', { detail: services })
  const methods = /it has: any, byName/
  isProblem(t, await server.call('echo', 'nonsense'), 'METHOD_NOT_FOUND', { detail: methods, service: 'echo' })
  isProblem(t, await server.cast('echo', 'nonsense'), 'METHOD_NOT_FOUND', { detail: methods, service: 'echo' })
  isProblem(t, await server.get('/v1/jobs/nonsense'), 'JOB_NOT_FOUND')
})

t.test('names out of prototypes, with blanks, or of any length are only names', async (t) => {
  const names = [
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    'a b',
    'a/b',
    'ü',
    'a'.repeat(64),
    'a'.repeat(2_000),
  ]
  for (const name of names.map(encodeURIComponent)) {
    isProblem(t, await server.get(`/v1/services/${name}`), 'SERVICE_NOT_FOUND')
    isProblem(t, await server.post(`/v1/services/${name}/start`), 'SERVICE_NOT_FOUND')
    isProblem(t, await server.delete(`/v1/services/${name}`), 'SERVICE_NOT_FOUND')
    isProblem(t, await server.call(name, 'any'), 'SERVICE_NOT_FOUND')
    isProblem(t, await server.call('echo', name), 'METHOD_NOT_FOUND', { service: 'echo' })
    isProblem(t, await server.cast('echo', name), 'METHOD_NOT_FOUND', { service: 'echo' })
    isProblem(t, await server.get(`/v1/jobs/${name}`), 'JOB_NOT_FOUND')
    isProblem(t, await server.post(`/v1/jobs/${name}/cancel`), 'JOB_NOT_FOUND')
    isProblem(t, await server.post(`/v1/jobs/${name}/retry`), 'JOB_NOT_FOUND')
    isProblem(t, await server.delete(`/v1/jobs/${name}`), 'JOB_NOT_FOUND')
  }
})

t.test('405: an HTTP method that the route does not take, with those it takes', async (t) => {
  for (const [method, path, allow] of [
    ['POST', '/v1/services', 'GET, HEAD'],
    ['POST', '/v1/services/echo', 'GET, HEAD, PUT, PATCH, DELETE'],
    ['GET', '/v1/services/echo/call/any', 'POST'],
    ['DELETE', '/livez?verbose', 'GET, HEAD'],
    ['OPTIONS', '/v1/jobs/1/cancel', 'POST'],
  ] as const) {
    const answer = await server.request(method, path)
    isProblem(t, answer, 'METHOD_NOT_ALLOWED', { detail: new RegExp(method) })
    t.equal(answer.headers.allow, allow, path)
  }
})

t.test('409: a change that the present state does not allow', async (t) => {
  await server.put('idle', { module: 'echo.js', autostart: false })
  isProblem(t, await server.post('/v1/services/idle/pause'), 'CONFLICT', { service: 'idle', detail: /stopped/ })
  isProblem(t, await server.post('/v1/services/idle/resume'), 'CONFLICT', { service: 'idle' })
  isProblem(t, await server.post('/v1/services/idle/crash'), 'CONFLICT', { service: 'idle' })
})

t.test('a client that sends on while it is refused has its answer all the same', async (t) => {
  const length = 3_000_000
  for (const [path, type, status] of [
    ['echo/call/any', 'application/json', 413],
    ['echo/cast/any', 'application/json', 413],
    ['echo/call/any', 'image/png', 415],
    ['nobody/call/any', 'image/png', 404],
  ]) {
    const head = `POST /v1/services/${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\n`
    const next = 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
    const sent = `${head}Content-Length: ${length}\r\n\r\n${'x'.repeat(length)}${next}`
    const answers = (await server.raw(sent)).match(/HTTP\/1.1 \d+/g)
    t.strictSame(answers, [`HTTP/1.1 ${status}`, 'HTTP/1.1 200'], `${path} ${type}`)
  }
})

t.test('413: a body that is too large, told or streamed', async (t) => {
  const json = 'x'.repeat(50_000)
  isProblem(t, await server.call('echo', 'any', json), 'PAYLOAD_TOO_LARGE')
  isProblem(t, await server.cast('echo', 'any', json), 'PAYLOAD_TOO_LARGE')
  isProblem(t, await server.put('echo', { module: json }), 'PAYLOAD_TOO_LARGE')
  const chunk = `${(40_000).toString(16)}\r\n${' '.repeat(40_000)}\r\n`
  const head =
    'POST /v1/services/echo/call/any HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' +
    'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
  isRawProblem(t, await server.raw(`${head}${chunk}${chunk}0\r\n\r\n`), 'PAYLOAD_TOO_LARGE')
})

t.test('415: a body that is not declared as JSON; with no body any content type is fine', async (t) => {
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=a',
    'nonsense',
  ]) {
    const headers = { 'content-type': type }
    const detail = /application\/json/
    isProblem(t, await server.call('echo', 'any', undefined, { body: '1', headers }), 'UNSUPPORTED_MEDIA_TYPE', {
      detail,
    })
    isProblem(t, await server.request('PUT', '/v1/services/x', { body: '{}', headers }), 'UNSUPPORTED_MEDIA_TYPE')
  }
  isProblem(t, await server.call('echo', 'any', undefined, { body: '1' }), 'UNSUPPORTED_MEDIA_TYPE')
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/json']) {
    const headers = { 'content-type': type, 'content-length': '0' }
    t.match(await server.post('/v1/services/echo/start', undefined, { headers }), {
      status: 200,
      json: { changed: false },
    })
  }
  for (const type of ['application/json; charset=utf-8', 'application/problem+json', 'APPLICATION/JSON']) {
    const headers = { 'content-type': type }
    t.match(await server.call('echo', 'any', undefined, { body: '[1]', headers }), { status: 200, json: [1] })
  }
})

t.test('422: a payload that its schema refuses, with JSON pointers into it', async (t) => {
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

t.test('500: the method threw, with the name, message and code of the error, and no stack', async (t) => {
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
  t.match(final.json, { code: 'METHOD_FAILED', retryable: false }, 'the method knows better than the table')
})

t.test('500: with its stack where the operator wants it shown', async (t) => {
  const open = await serve(t, { services: { fails: 'fails', streams: 'streams' }, showStacks: true })
  isProblem(t, await open.call('fails', 'throws'), 'METHOD_FAILED', { error: { stack: /fails\.js/ } })
  const headers = { accept: 'text/event-stream' }
  const { text } = await open.call('streams', 'count', { to: 1, last: 'throw' }, { headers })
  t.match(text, /"stack":"[^"]+streams\.js/, 'also where the answer had begun')
})

t.test('500: a result that cannot be sent or that its schema refuses', async (t) => {
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

t.test('502: the thread died under the call', async (t) => {
  for (const [method, detail] of [
    ['exit', /exited with code 3/],
    ['throwLater', /thrown beside the method/],
  ] as const) {
    const facts = { service: 'dies', method, jobId: String, started: true, detail }
    isProblem(t, await server.call('dies', method), 'THREAD_DIED', facts)
    await server.reaches('dies', 'running')
  }
})

t.test('503: not running, or full, each with Retry-After', async (t) => {
  isProblem(t, await server.call('idle', 'any'), 'SERVICE_NOT_RUNNING', {
    service: 'idle',
    method: 'any',
    started: false,
  })

  await server.put('narrow', { module: 'gate.js', queueCapacity: 1, numWorkers: 1, prefetch: 0 })
  const held = server.call('narrow', 'hold', { token: 'first' })
  await server.logs.line('begun', { token: 'first', service: 'narrow' })
  const waiting = server.call('narrow', 'nap')
  // Both arrive on sockets of their own: one waits, the other finds the queue full.
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

t.test('504: the deadline passed, begun or not', async (t) => {
  const headers = { 'request-timeout': '50ms' }
  const facts = { service: 'gate', method: 'hold', jobId: String }
  const answer = await server.call('gate', 'hold', { token: 'late' }, { headers })
  isProblem(t, answer, 'DEADLINE_EXCEEDED', { ...facts, started: true, detail: /50 ms/ })
  await server.logs.line('aborted', { token: 'late' })

  await server.put('busy', { module: 'gate.js', numWorkers: 1 })
  const held = server.call('busy', 'hold', { token: 'busy' })
  await server.logs.line('begun', { token: 'busy' })
  isProblem(t, await server.call('busy', 'hold', { token: 'next' }, { headers }), 'DEADLINE_EXCEEDED', {
    started: false,
  })
  await server.post('/v1/services/busy/crash')
  await held
  t.notOk(server.logs.has('begun', { token: 'next' }), 'what was aborted in the queue never runs')
})

t.test('what is not HTTP gets a problem document too', async (t) => {
  const overlong = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`
  for (const bytes of [
    'GARBAGE\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00',
    'GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n',
    'GET /livez HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n',
    overlong,
    'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'GET /v1/services HTTP/1.1\r\nConnection: close\r\n\r\n',
  ]) {
    isRawProblem(t, await server.raw(bytes), 'MALFORMED_HEADER')
  }
  t.equal((await server.get('/livez')).status, 200)
})

t.test('a client that says nothing, or goes in the middle of its body, leaves nothing behind', async (t) => {
  const head = 'POST /v1/services/gate/call/hold HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
  for (const bytes of ['', head, `${head}Content-Length: 100\r\n\r\n{"token":`]) {
    await new Promise<void>((resolve, reject) => {
      const socket = connect(server.port, '127.0.0.1', () => {
        socket.write(bytes, () => socket.resetAndDestroy())
      })
      socket.on('error', reject)
      socket.on('close', () => resolve())
    })
  }
  t.match(await server.status('gate'), { queue: { size: 0, running: 0 } })
})

t.test('without tokens only loopback is served, and no page of another origin (P7)', async (t) => {
  const host = `127.0.0.1:${server.port}`
  const get = (headers: RequestOptions['headers'] = {}, path = '/v1/services') => server.get(path, { headers })
  const post = (headers: RequestOptions['headers'] = {}) =>
    server.post('/v1/services/echo/stop', undefined, { headers })

  for (const name of ['localhost', 'localhost:8080', 'a.localhost', '127.1.2.3:1', '[::1]:80', 'LOCALHOST']) {
    t.equal((await get({ host: name })).status, 200, name)
  }
  for (const name of [
    'example.com',
    'localhost.example.com',
    '127.0.0.1.nip.io',
    'localhost:8080@evil',
    '192.168.0.1',
  ]) {
    isProblem(t, await get({ host: name }), 'FORBIDDEN')
    isProblem(t, await post({ host: name }), 'FORBIDDEN')
  }
  isRawProblem(t, await server.raw('GET /v1/services HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n'), 'FORBIDDEN')
  isRawProblem(t, await server.raw('GET /v1/services HTTP/1.0\r\n\r\n'), 'FORBIDDEN')
  for (const origin of ['http://example.com', 'null', 'http://localhost:1', `http://${host}.evil.com`, 'nonsense']) {
    isProblem(t, await post({ origin }), 'FORBIDDEN')
    isProblem(t, await get({ origin }), 'FORBIDDEN')
  }
  isProblem(t, await post({ 'sec-fetch-site': 'cross-site' }), 'FORBIDDEN')
  isProblem(t, await get({ origin: 'http://example.com' }, '/nonsense'), 'FORBIDDEN')
  t.equal((await get({ origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })).status, 200)
  t.equal((await get({ 'sec-fetch-site': 'none' })).status, 200)
  t.equal((await server.status('echo')).state, 'running', 'nothing was stopped')
  for (const probe of ['/livez', '/readyz', '/startupz']) {
    t.equal((await get({ host: '10.1.2.3:8080', origin: 'http://example.com' }, probe)).status, 200, probe)
  }
})

t.test('one Host counts, and before it that of the target', async (t) => {
  const get = (target: string, ...hosts: string[]) =>
    server.raw(
      `GET ${target} HTTP/1.1\r\n${hosts.map((host) => `Host: ${host}\r\n`).join('')}Connection: close\r\n\r\n`,
    )
  isRawProblem(t, await get('/v1/services', 'localhost', 'evil.com'), 'MALFORMED_HEADER')
  isRawProblem(t, await get('/v1/services', 'localhost', 'localhost'), 'MALFORMED_HEADER')
  isRawProblem(t, await get('http://evil.com/v1/services', 'localhost'), 'FORBIDDEN')
  t.match(await get('http://localhost/v1/services', 'localhost'), /^HTTP\/1.1 200/)
})

t.test('where the operator allows any host, pages of other origins are refused all the same', async (t) => {
  const open = await serve(t, { services: {}, insecure: true })
  t.equal((await open.get('/v1/services', { headers: { host: 'example.com' } })).status, 200)
  const headers = { host: 'example.com', origin: 'http://example.com' }
  t.equal((await open.get('/v1/services', { headers })).status, 200)
  isProblem(t, await open.get('/v1/services', { headers: { host: 'a.com', origin: 'http://b.com' } }), 'FORBIDDEN')
})

t.test('a server that closes finishes what runs, takes nothing new, and answers whoever waits', async (t) => {
  const closing = await serve(t, { services: { gate: 'gate', stops: 'waits-to-stop' } })
  const held = closing.call('gate', 'hold', { token: 'held' })
  await closing.logs.line('begun', { token: 'held' })
  const { json: running } = await closing.cast('gate', 'hold', { token: 'cast' })
  await closing.logs.line('begun', { token: 'cast' })
  const { json: later } = await closing.cast('gate', 'nap', {}, '?delayMs=3600000')
  const wait = { headers: { prefer: 'wait=60' } }
  const waiting = closing.get(`/v1/jobs/${later.id}`, wait)
  const following = closing.get(`/v1/jobs/${running.id}`, wait)
  // The next answer comes after those have arrived.
  await closing.get('/livez')

  const closed = closing.close()
  await closing.logs.line('waits to stop')
  isProblem(t, await closing.call('gate', 'nap'), 'SHUTTING_DOWN')
  isProblem(t, await closing.cast('gate', 'nap'), 'SHUTTING_DOWN')
  isProblem(t, await closing.post('/v1/services/gate/start'), 'SHUTTING_DOWN')
  isProblem(t, await closing.put('new', { module: 'gate.js' }), 'SHUTTING_DOWN')
  t.match(await closing.get('/readyz?verbose'), { status: 503, json: { checks: [{ name: 'open', ok: false }] } })
  t.equal((await closing.get('/livez')).status, 200)
  t.match((await closing.get('/v1/services/gate')).json, { state: 'stopping', queue: { running: 2 } })

  openGate('held')
  openGate('cast')
  t.match(await held, { status: 200, json: 'held' })
  t.match((await following).json, { state: 'succeeded', result: 'cast' })
  letGo('stops')
  await closed
  t.match((await waiting).json, { state: 'scheduled' }, 'who waits is told how it stands')
  await t.rejects(request(closing.port, 'GET', '/livez'), { code: 'ECONNREFUSED' })
})

t.test('a server closes while its services start, describe themselves, back off, or have failed', async (t) => {
  const closing = await serve(t, {
    services: {
      starts: 'waits-to-start',
      imports: 'waits-at-import',
      loops: 'loops-at-import',
      gives: 'fails-to-start',
      throws: 'throws-at-import',
      undescribed: 'waits-at-import',
    },
    start: false,
  })
  const pending = ['starts', 'imports', 'loops'].map((name) => closing.post(`/v1/services/${name}/start`))
  const cast = closing.cast('undescribed', 'go')
  await closing.post('/v1/services/gives/start')
  await closing.post('/v1/services/gives/crash')
  await closing.reaches('gives', 'backoff')
  isProblem(t, await closing.post('/v1/services/throws/start'), 'START_FAILED')
  await closing.logs.line('waits to start')
  await closing.logs.line('waits at import', { service: 'imports' })
  await closing.logs.line('waits at import', { service: 'undescribed' })
  await closing.close()
  for (const answer of await Promise.all(pending))
    isProblem(t, answer, 'CONFLICT', { detail: /stopped while it started/ })
  isProblem(t, await cast, 'SERVICE_NOT_RUNNING')
})

t.test('a server that cannot be built leaves nothing open: its data folder is free', async (t) => {
  const folder = t.testdir({ data: {}, workers: {} })
  const [data, workers] = [join(folder, 'data'), join(folder, 'workers')]
  const { logger: log } = new Logs()
  await t.rejects(buildServer({ workers: '/nowhere', data, log }), { message: /workers folder \/nowhere/ })
  const { app } = await buildServer({ workers, data, log })
  await app.close()
})

t.test('408: headers that do not come to an end', async (t) => {
  isRawProblem(t, await slowHeaders, 'REQUEST_TIMEOUT')
})

t.test('415: a body that is compressed, or text in another charset', async (t) => {
  const post = (headers: Record<string, string>) =>
    server.call('echo', 'any', undefined, { body: '1', headers: { 'content-type': 'application/json', ...headers } })
  isProblem(t, await post({ 'content-encoding': 'gzip' }), 'UNSUPPORTED_MEDIA_TYPE', {
    detail: /Content-Encoding is gzip/,
  })
  t.equal((await post({ 'content-encoding': 'identity' })).status, 200)
  const of = (charset: string) => post({ 'content-type': `application/json; charset=${charset}` })
  isProblem(t, await of('iso-8859-1'), 'UNSUPPORTED_MEDIA_TYPE', { detail: /UTF-8/ })
  for (const charset of ['utf-8', 'UTF8', '"utf-8"']) t.equal((await of(charset)).status, 200, charset)
})

t.test('400: what is wrong with a body is told, and where', async (t) => {
  const post = (body: string) =>
    server.call('echo', 'any', undefined, { body, headers: { 'content-type': 'application/json' } })
  isProblem(t, await post('{"a":}'), 'MALFORMED_BODY', { detail: /not well-formed JSON: Unexpected token/ })
  isProblem(t, await post('{"__proto__":{}}'), 'MALFORMED_BODY', {
    detail: /^the JSON has a key that could change a prototype/,
  })
})
