/** Requests that are refused before they reach a service, each with a problem document (P6), and requests from elsewhere (P7). */
import { connect } from 'node:net'
import t from 'tap'
import { isProblem, isRawProblem, type RequestOptions, serve } from '../http-helper.ts'

const server = await serve(t, { services: { echo: 'echo', gate: 'gate' }, maxBodyBytes: 50_000 })

t.test('every answer tells browsers to keep to its content type', async (t) => {
  const answers = [
    await server.get('/livez'),
    await server.get('/nonsense'),
    await server.get('/docs/static/swagger-ui.css'),
    await server.call('echo', 'any', 1),
    await server.get('/livez', { headers: { host: 'example.com' } }),
  ]
  for (const { headers } of answers) t.equal(headers['x-content-type-options'], 'nosniff')
  t.match(await server.raw('GARBAGE\r\n\r\n'), /\r\nX-Content-Type-Options: nosniff\r\n/)
})

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

t.test(
  'a problem document names the service, method or job of the request, also if the body was refused',
  async (t) => {
    const call = (path: string, type: string, body: string) =>
      server.post(path, undefined, { body, headers: { 'content-type': type } })
    const about = { service: 'echo', method: 'any' }
    isProblem(t, await call('/v1/services/echo/call/any', 'application/json', '{'), 'MALFORMED_BODY', about)
    const latin = 'application/json; charset=latin1'
    isProblem(t, await call('/v1/services/echo/call/any', latin, '1'), 'UNSUPPORTED_MEDIA_TYPE', about)
    isProblem(t, await server.get('/v1/services/nobody'), 'SERVICE_NOT_FOUND', { service: 'nobody' })
    isProblem(t, await server.call('echo', 'nonsense'), 'METHOD_NOT_FOUND', { service: 'echo', method: 'nonsense' })
    isProblem(t, await server.get('/v1/jobs/none'), 'JOB_NOT_FOUND', { jobId: 'none' })
  },
)

t.test('400: a header or a query string that is malformed', async (t) => {
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
  for (const number of ['0x10', '1e1', '%205%20', '%2B5', '', '5.', '.5', '0b1', 'Infinity', '5.5', '5,5']) {
    isProblem(t, await server.get(`/v1/jobs?limit=${number}`), 'MALFORMED_QUERY', { detail: /^limit: must be/ })
    for (const name of ['delayMs', 'ttlMs', 'priority', 'maxAttempts'])
      isProblem(t, await server.cast('echo', 'any', 1, `?${name}=${number}`), 'MALFORMED_QUERY')
  }
  t.equal((await server.get('/v1/jobs?limit=16')).status, 200)
})

t.test('404: an unknown route, service, method or job; the detail lists the names that exist', async (t) => {
  isProblem(t, await server.get('/v1/nonsense'), 'ROUTE_NOT_FOUND')
  isProblem(t, await server.get('/v1/%zz'), 'ROUTE_NOT_FOUND')
  const services = /there are: echo, gate/
  isProblem(t, await server.get('/v1/services/nonsense'), 'SERVICE_NOT_FOUND', { detail: services })
  const methods = /it has: any, byName/
  isProblem(t, await server.call('echo', 'nonsense'), 'METHOD_NOT_FOUND', { detail: methods, service: 'echo' })
  isProblem(t, await server.cast('echo', 'nonsense'), 'METHOD_NOT_FOUND', { detail: methods, service: 'echo' })
  isProblem(t, await server.get('/v1/jobs/nonsense'), 'JOB_NOT_FOUND')
})

t.test('404: names such as __proto__, names with blanks, and very long names', async (t) => {
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

t.test('4xx: a file of the page of documentation that cannot be sent, and no error in the log', async (t) => {
  const file = '/docs/static/swagger-ui.css'
  for (const [path, headers, code] of [
    [file, { range: 'bytes=99999999-' }, 'RANGE_NOT_SATISFIABLE'],
    [file, { range: 'bytes=b-a' }, 'RANGE_NOT_SATISFIABLE'],
    [file, { 'if-match': '"other"' }, 'PRECONDITION_FAILED'],
    [file, { 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' }, 'PRECONDITION_FAILED'],
    ['/docs/static/%00', {}, 'ROUTE_NOT_FOUND'],
    ['/docs/static/%2e%2e/%2e%2e/package.json', {}, 'ROUTE_NOT_FOUND'],
    [`/docs/static/${'a'.repeat(3_000)}`, {}, 'ROUTE_NOT_FOUND'],
    ['/docs/static/none.css', {}, 'ROUTE_NOT_FOUND'],
  ] as const) {
    isProblem(t, await server.get(path, { headers }), code)
  }
  t.notOk(server.logs.records.find(({ msg }) => msg.startsWith('internal error')))
})

t.test("500: a SyntaxError of the server's own is no fault of the body, and is logged", async (t) => {
  const faulty = await serve(t, { services: {} })
  faulty.server.registry.get = () => {
    throw new SyntaxError('a fault of the server')
  }
  isProblem(t, await faulty.get('/v1/services/any'), 'INTERNAL')
  t.match(await faulty.logs.line('internal error: the server failed to answer a request'), {
    err: { message: 'a fault of the server' },
  })
})

t.test('405: an HTTP method that the route does not accept; `Allow` lists the accepted ones', async (t) => {
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

t.test('a client that is refused while it still sends its body gets the answer', async (t) => {
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

t.test('413: a body that is too large, with Content-Length or in chunks', async (t) => {
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

t.test('415: a body that is not declared as JSON; without a body every content type is accepted', async (t) => {
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

t.test('400: bytes that are not an HTTP request', async (t) => {
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

t.test('a client that disconnects before the end of its request leaves nothing in the queue', async (t) => {
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

t.test('403: a Host that is no loopback name, or a page of another origin (P7)', async (t) => {
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

t.test('a request has one Host; a target that is a whole URL overrides it', async (t) => {
  const get = (target: string, ...hosts: string[]) =>
    server.raw(
      `GET ${target} HTTP/1.1\r\n${hosts.map((host) => `Host: ${host}\r\n`).join('')}Connection: close\r\n\r\n`,
    )
  isRawProblem(t, await get('/v1/services', 'localhost', 'evil.com'), 'MALFORMED_HEADER')
  isRawProblem(t, await get('/v1/services', 'localhost', 'localhost'), 'MALFORMED_HEADER')
  isRawProblem(t, await get('http://evil.com/v1/services', 'localhost'), 'FORBIDDEN')
  t.match(await get('http://localhost/v1/services', 'localhost'), /^HTTP\/1.1 200/)
})

t.test('403: a Host that is not in THREADPLANE_ALLOWED_HOSTS, and a page of another origin', async (t) => {
  const open = await serve(t, { services: {}, allowedHosts: ['example.com', 'b.example:8080', '192.168.0.7', '::2'] })
  const get = (headers: Record<string, string>) => open.get('/v1/services', { headers })
  for (const host of ['example.com', 'EXAMPLE.com:1', 'b.example:8080', '192.168.0.7:80', '[::2]:80', 'localhost']) {
    t.equal((await get({ host })).status, 200, host)
  }
  for (const host of ['b.example', 'b.example:80', 'c.example', 'example.com.evil', '192.168.0.8', '[::3]:80', '*']) {
    isProblem(t, await get({ host }), 'FORBIDDEN', { detail: /THREADPLANE_ALLOWED_HOSTS/ })
  }
  t.equal(
    (await open.get('/readyz', { headers: { host: '10.0.0.1:8080' } })).status,
    200,
    'a probe by the address of a pod',
  )
  t.equal((await get({ host: 'example.com', origin: 'http://example.com' })).status, 200)
  isProblem(t, await get({ host: 'example.com', origin: 'http://b.com' }), 'FORBIDDEN')

  const any = await serve(t, { services: {}, allowedHosts: ['*'] })
  t.equal((await any.get('/v1/services', { headers: { host: 'c.example' } })).status, 200)
})

t.test('415: a body that is compressed, or in a charset other than UTF-8', async (t) => {
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

t.test('400: the detail says what is wrong with a body, and where', async (t) => {
  const post = (body: string) =>
    server.call('echo', 'any', undefined, { body, headers: { 'content-type': 'application/json' } })
  isProblem(t, await post('{"a":}'), 'MALFORMED_BODY', { detail: /not well-formed JSON: Unexpected token/ })
  isProblem(t, await post('{"__proto__":{}}'), 'MALFORMED_BODY', {
    detail: /^the JSON has a key that could change a prototype/,
  })
})
