/** Clients that are slow, greedy or unfair (P5): each is cut or refused, and whoever is served is none the worse. */
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { ERRORS, type ErrorCode } from '../../src/contract/errors.ts'
import { isProblem, serve, within } from '../http-helper.ts'

/** What a client does on its socket, until that is closed at both ends or it is told to go. */
class Client {
  readonly socket: Socket
  readonly ended: Promise<string>
  readonly gone: Promise<void>
  text = ''

  constructor(port: number) {
    // Of a server that ends its half it takes no notice.
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.setEncoding('utf8')
    this.socket.on('data', (chunk) => {
      this.text += chunk
    })
    this.socket.on('error', () => {})
    this.ended = new Promise((resolve) => {
      this.socket.once('end', () => resolve(this.text))
      this.socket.once('close', () => resolve(this.text))
    })
    this.gone = new Promise((resolve) => this.socket.once('close', () => resolve()))
  }

  write(bytes: string): this {
    this.socket.write(bytes)
    return this
  }

  /** Bytes again and again, until the connection is gone. */
  drip(bytes: string, everyMs: number): this {
    if (this.socket.closed) return this
    const dripping = setInterval(() => this.socket.write(bytes), everyMs)
    this.socket.once('close', () => clearInterval(dripping))
    return this
  }

  destroy(): void {
    this.socket.destroy()
  }
}

function isRawProblem(t: Test, text: string, code: ErrorCode): void {
  const [head = '', body = ''] = text.split('\r\n\r\n')
  t.ok(head.startsWith(`HTTP/1.1 ${ERRORS[code].status} `), head)
  t.match(head, /content-type: application\/problem\+json/i)
  t.match(JSON.parse(body), { code, status: ERRORS[code].status, detail: /./ })
}

const post = (path: string, ...headers: string[]) =>
  [`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', ...headers, '', ''].join('\r\n')
const ECHO = '/v1/services/echo/call/any'
const SLOW = { bodyMs: 400, answerMs: 400, sweepEveryMs: 50 }

const server = await serve(t, { services: { echo: 'echo' }, slowClients: SLOW })

/** They are cut after seconds, while the other tests run. */
const real = await serve(t, { services: { echo: 'echo' } })
const slow = [
  new Client(real.port),
  new Client(real.port).write('GET /livez HTTP/1.1\r\nX: ').drip('y', 200),
  new Client(real.port).write(`${post(ECHO, 'Content-Length: 100')}{`),
]

t.test('a body that stops, or trickles in, is cut with 408, also where the client keeps its half open', async (t) => {
  const stops = new Client(server.port).write(`${post(ECHO, 'Content-Length: 100')}{`)
  const trickles = new Client(server.port).write(post(ECHO, 'Content-Length: 10000')).drip(' ', 50)
  const chunked = new Client(server.port).write(post(ECHO, 'Transfer-Encoding: chunked')).drip('1\r\n \r\n', 50)
  const late = new Client(server.port).write(`${post(ECHO, 'Transfer-Encoding: chunked')}1\r\n1\r\n0\r\nX-Trailer: `)
  for (const client of [stops, trickles, chunked, late]) {
    const answer = await within(client.ended, 'an answer')
    isRawProblem(t, answer, 'REQUEST_TIMEOUT')
    t.match(answer, /"instance":"\/v1\/services\/echo\/call\/any"/)
    // It hears of the end of the connection by what it sends next.
    client.drip(' ', 50)
    await within(client.gone, 'the connection to be closed')
  }
})

t.test('200 of them at once cost the others nothing', async (t) => {
  const slow = Array.from({ length: 200 }, () => new Client(server.port).write(`${post(ECHO, 'Content-Length: 100')}{`))
  t.match(await server.call('echo', 'any', 1), { status: 200, json: 1 })
  for (const client of slow) isRawProblem(t, await within(client.ended, 'an answer'), 'REQUEST_TIMEOUT')
  for (const client of slow) client.destroy()
  t.match(await server.call('echo', 'any', 1), { status: 200, json: 1 })
})

t.test('an upload that goes on is not cut, however long it takes', async (t) => {
  const upload = new Client(server.port).write(post('/v1/services/echo/call/nothing', 'Content-Length: 200001'))
  // More than the rate, a little at a time, for a multiple of what a stop may last.
  const chunk = ' '.repeat(5_000)
  for (let sent = 0; sent < 200_000; sent += chunk.length) {
    upload.write(chunk)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  upload.write('1')
  await within(
    new Promise<void>((resolve) => {
      if (upload.text !== '') resolve()
      upload.socket.once('data', () => resolve())
    }),
    'an answer',
  )
  t.match(upload.text, /^HTTP\/1.1 200 /)
  upload.destroy()
})

t.test('what comes after a 408 is no request any more', async (t) => {
  const client = new Client(server.port).write(`${post('/v1/services/echo/stop', 'Content-Length: 10')}{`)
  isRawProblem(t, await within(client.ended, 'an answer'), 'REQUEST_TIMEOUT')
  client.write(`}        ${post('/v1/services/echo/stop', 'Content-Length: 0')}`)
  client.drip(' ', 50)
  await within(client.gone, 'the connection to be closed')
  t.equal((await server.status('echo')).state, 'running')
})

t.test('an answer that nobody reads is given up', async (t) => {
  const large = await serve(t, { services: { gate: 'gate', large: 'large' }, slowClients: SLOW })
  const greedy = connect({ port: large.port, host: '127.0.0.1' })
  const closed = new Promise<void>((resolve) => greedy.once('close', () => resolve()))
  greedy.on('error', () => {})
  // Not read: what the buffers of the two ends do not hold, the server does.
  greedy.pause()
  greedy.write(post('/v1/services/large/call/text', 'Content-Length: 8').concat('30000000'))
  const [connection] = await within(
    new Promise<Socket[]>((resolve) => large.server.app.server.once('request', ({ socket }) => resolve([socket]))),
    'the request',
  )
  await within(new Promise<void>((resolve) => connection?.once('close', () => resolve())), 'the connection to be cut')
  greedy.destroy()
  await closed
  t.match(await large.get('/livez'), { status: 200 })

  // Read at leisure, it comes through.
  const { text } = await large.call('large', 'text', 3_000_000)
  t.equal(text.length, 3_000_002)
})

t.test('503: more connections than are served, and again as soon as one is gone', async (t) => {
  const small = await serve(t, { services: {}, maxConnections: 2 })
  const connections: Socket[] = []
  small.server.app.server.on('connection', (socket) => connections.push(socket))
  const clients = [new Client(small.port), new Client(small.port)]
  for (const client of clients) {
    client.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await within(new Promise((resolve) => client.socket.once('data', resolve)), 'an answer')
  }
  const third = new Client(small.port).write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const answer = await within(third.ended, 'an answer')
  isRawProblem(t, answer, 'TOO_MANY_CONNECTIONS')
  t.match(answer, /retry-after: 1/i)
  const left = within(new Promise<void>((resolve) => connections[0]?.once('close', () => resolve())), 'it to go')
  clients[0]?.destroy()
  await left
  t.equal((await small.get('/livez')).status, 200)
  for (const client of [...clients, third]) client.destroy()
})

t.test('a connection that sends requests ahead without end is cut', async (t) => {
  const wait = `GET /v1/jobs/none HTTP/1.1\r\nHost: localhost\r\n\r\n`
  const fair = new Client(server.port).write(wait.repeat(50))
  await within(
    new Promise<void>((resolve) =>
      fair.socket.on('data', () => fair.text.split('HTTP/1.1 404').length > 50 && resolve()),
    ),
    'all answers',
  )
  fair.destroy()
  const unfair = new Client(server.port)
  unfair.write(wait.repeat(10_000))
  await within(
    unfair.gone.then(() => {}),
    'the connection to be cut',
  )
  t.equal((await server.get('/livez')).status, 200)
})

t.test('400: more headers than a request may have, larger ones, or a longer address', async (t) => {
  const headers = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`x-${n}`, 'y']))
  isProblem(t, await server.get('/livez', { headers }), 'MALFORMED_HEADER', { detail: /at most 100 headers/ })
  for (const request of [
    `GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
    `GET /livez?${'y'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  ]) {
    const answer = await server.raw(request)
    isRawProblem(t, answer, 'MALFORMED_HEADER')
    t.match(answer, /larger than 16384 bytes/)
  }
})

t.test('JSON is taken up to 1,000 levels deep, wherever it comes', async (t) => {
  const nested = (depth: number, open = '[', close = ']') => open.repeat(depth) + close.repeat(depth)
  const send = (path: string, body: string, headers = {}) =>
    server.post(path, undefined, { body, headers: { 'content-type': 'application/json', ...headers } })
  const key = { 'idempotency-key': 'deep' }
  for (const kind of ['call', 'cast']) {
    const path = `/v1/services/echo/${kind}/any`
    for (const body of [
      nested(5_000_000),
      '['.repeat(10_000_000),
      nested(1_001),
      `${'{"a":'.repeat(1_700_000)}1${'}'.repeat(1_700_000)}`,
      `"\\"[" ${nested(1_001)}`,
    ]) {
      isProblem(t, await send(path, body), 'MALFORMED_BODY')
      isProblem(t, await send(path, body, key), 'MALFORMED_BODY')
    }
    t.ok((await send(path, nested(1_000))).status < 300, `${kind} of what is as deep as may be`)
    t.ok((await send(path, JSON.stringify(`${'['.repeat(5_000)}\\"`))).status < 300, `${kind} of brackets in a text`)
  }
  const batch = await send('/v1/services/echo/cast/any', `1\n${nested(2_000)}\n{"__proto__":1}\n${nested(1_000)}`, {
    'content-type': 'application/x-ndjson',
  })
  t.match(
    batch.json.items.map(({ status }: { status: number }) => status),
    [202, 400, 400, 202],
  )
  for (const { job } of batch.json.items) if (job) t.match(await server.finished(job.id), { state: 'succeeded' })
  const job = await send('/v1/services/echo/cast/any', nested(1_000), key)
  const again = await send('/v1/services/echo/cast/any', nested(1_000), key)
  t.equal(again.json.id, job.json.id)
  t.equal(JSON.stringify((await server.finished(job.json.id)).result), nested(1_000))
})

t.test('413: a batch of more lines than it may have', async (t) => {
  const headers = { 'content-type': 'application/x-ndjson' }
  const path = '/v1/services/echo/cast/any'
  isProblem(t, await server.post(path, undefined, { body: '1\n'.repeat(5_000_000), headers }), 'PAYLOAD_TOO_LARGE')
  t.match(await server.post(path, undefined, { body: '\n'.repeat(10_000_000), headers }), {
    status: 207,
    json: { items: [] },
  })
})

t.test('a page of jobs ends before it is too large, and the next begins there', async (t) => {
  const large = await serve(t, { services: { large: 'large' } })
  for (let n = 0; n < 5; n += 1) {
    const { json } = await large.cast('large', 'text', n === 2 ? 6_000_000 : 1_500_000)
    await large.finished(json.id)
  }
  const sizes: number[] = []
  for (let cursor = ''; ; ) {
    const { json } = await large.get(`/v1/jobs?limit=1000${cursor}`)
    sizes.push(json.items.length)
    if (json.nextCursor === null) break
    cursor = `&cursor=${json.nextCursor}`
  }
  t.strictSame(sizes, [2, 1, 2])
})

t.test('at its real figures: headers are cut within 6 s, a body that stops after 5', async (t) => {
  for (const client of slow) {
    isRawProblem(t, await within(client.ended, 'an answer'), 'REQUEST_TIMEOUT')
    client.destroy()
  }
})
