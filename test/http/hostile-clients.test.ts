/** Slow and greedy clients (P5): the server cuts or refuses them, and other clients do not notice. */
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { isProblem, isRawProblem, serve, within } from '../http-helper.ts'

/** A client that sends bytes of its choice on a socket. */
class Client {
  readonly socket: Socket
  /** What the server has sent, once it has ended its half of the connection. */
  readonly ended: Promise<string>
  /** Both halves of the connection are closed. */
  readonly closed: Promise<void>
  text = ''

  constructor(port: number) {
    // The client keeps its half of the connection open when the server ends its own.
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
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()))
  }

  write(bytes: string): this {
    this.socket.write(bytes)
    return this
  }

  /** Sends the bytes again and again, until the connection is closed. */
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

const post = (path: string, ...headers: string[]) =>
  [`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', ...headers, '', ''].join('\r\n')
const ECHO = '/v1/services/echo/call/any'
/** Short, so that the tests are quick. The sweep does not count a pause of the process, so a slow machine may pause. */
const TIMINGS = { bodyMs: 200, answerMs: 200, sweepEveryMs: 25 }

// The tests wait for clocks most of the time.
t.jobs = 4

const server = await serve(t, { services: { echo: 'echo', large: 'large' }, slowClients: TIMINGS })

/** Clients of a server with the real timings: it cuts them after some seconds, while the other tests run. */
const withRealTimings = await serve(t, { services: { echo: 'echo' } })
const slowClients = {
  noBytes: new Client(withRealTimings.port),
  headers: new Client(withRealTimings.port).write('GET /livez HTTP/1.1\r\nX: ').drip('y', 200),
  body: new Client(withRealTimings.port).write(`${post(ECHO, 'Content-Length: 100')}{`),
}

t.test(
  '408: a body that stops or trickles in, also if the client keeps its half of the connection open',
  { buffered: true },
  async (t) => {
    const stops = new Client(server.port).write(`${post(ECHO, 'Content-Length: 100')}{`)
    const trickles = new Client(server.port).write(post(ECHO, 'Content-Length: 10000')).drip(' ', 50)
    const chunked = new Client(server.port).write(post(ECHO, 'Transfer-Encoding: chunked')).drip('1\r\n \r\n', 50)
    const late = new Client(server.port).write(`${post(ECHO, 'Transfer-Encoding: chunked')}1\r\n1\r\n0\r\nX-Trailer: `)
    for (const client of [stops, trickles, chunked, late]) {
      const answer = await within(client.ended, 'an answer')
      isRawProblem(t, answer, 'REQUEST_TIMEOUT')
      t.match(answer, /"instance":"\/v1\/services\/echo\/call\/any"/)
      // The client learns that the connection is closed when it sends further bytes.
      client.drip(' ', 50)
      await within(client.closed, 'the connection to be closed')
    }
  },
)

t.test('200 slow clients at the same time do not delay other clients', { buffered: true }, async (t) => {
  const slow = Array.from({ length: 200 }, () => new Client(server.port).write(`${post(ECHO, 'Content-Length: 100')}{`))
  t.match(await server.call('echo', 'any', 1), { status: 200, json: 1 })
  for (const client of slow) isRawProblem(t, await within(client.ended, 'an answer'), 'REQUEST_TIMEOUT')
  for (const client of slow) client.destroy()
  t.match(await server.call('echo', 'any', 1), { status: 200, json: 1 })
})

t.test('an upload that makes progress is not cut, however long it takes', { buffered: true }, async (t) => {
  const upload = new Client(server.port).write(post('/v1/services/echo/call/nothing', 'Content-Length: 100001'))
  // Faster than the required rate, in small pieces, for five times as long as a body may make no progress.
  const chunk = ' '.repeat(5_000)
  for (let sent = 0; sent < 100_000; sent += chunk.length) {
    upload.write(chunk)
    await new Promise((resolve) => setTimeout(resolve, TIMINGS.bodyMs / 4))
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

t.test('bytes that arrive after a 408 are not read as a request', { buffered: true }, async (t) => {
  const client = new Client(server.port).write(`${post('/v1/services/echo/stop', 'Content-Length: 10')}{`)
  isRawProblem(t, await within(client.ended, 'an answer'), 'REQUEST_TIMEOUT')
  client.write(`}        ${post('/v1/services/echo/stop', 'Content-Length: 0')}`)
  client.drip(' ', 50)
  await within(client.closed, 'the connection to be closed')
  t.equal((await server.status('echo')).state, 'running')
})

t.test('the connection of a client that does not read its answer is closed', { buffered: true }, async (t) => {
  const greedy = connect({ port: server.port, host: '127.0.0.1' })
  const closed = new Promise<void>((resolve) => greedy.once('close', () => resolve()))
  greedy.on('error', () => {})
  // The buffers of the two sockets hold only a part of the answer. The rest stays in the memory of the server.
  greedy.pause()
  const path = '/v1/services/large/call/text?greedy'
  greedy.write(post(path, 'Content-Length: 8').concat('30000000'))
  const [connection] = await within(
    new Promise<Socket[]>((resolve) => {
      server.server.app.server.on('request', ({ url, socket }) => url === path && resolve([socket]))
    }),
    'the request',
  )
  await within(
    new Promise<void>((resolve) => connection?.once('close', () => resolve())),
    'the connection to be closed',
  )
  greedy.destroy()
  await closed
  t.match(await server.get('/livez'), { status: 200 })

  const { text } = await server.call('large', 'text', 3_000_000)
  t.equal(text.length, 3_000_002, 'a client that reads gets all of a large answer')
})

t.test(
  '503: one connection too many; as soon as another one is closed, there is room again',
  { buffered: true },
  async (t) => {
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
    const left = within(
      new Promise<void>((resolve) => connections[0]?.once('close', () => resolve())),
      'a connection to be closed',
    )
    clients[0]?.destroy()
    await left
    t.equal((await small.get('/livez')).status, 200)
    for (const client of [...clients, third]) client.destroy()
  },
)

t.test('a connection with too many unanswered requests is closed', { buffered: true }, async (t) => {
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
  await within(unfair.closed, 'the connection to be closed')
  t.equal((await server.get('/livez')).status, 200)
})

t.test('400: too many headers, a header or a path that is too long', { buffered: true }, async (t) => {
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

t.test('JSON is accepted up to 1,000 levels deep, in calls, casts, batches and jobs', { buffered: true }, async (t) => {
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
    t.ok((await send(path, nested(1_000))).status < 300, `${kind} with the greatest depth`)
    t.ok(
      (await send(path, JSON.stringify(`${'['.repeat(5_000)}\\"`))).status < 300,
      `${kind} with brackets in a string`,
    )
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

t.test('413: a batch with too many lines; empty lines do not count', { buffered: true }, async (t) => {
  const headers = { 'content-type': 'application/x-ndjson' }
  const path = '/v1/services/echo/cast/any'
  isProblem(t, await server.post(path, undefined, { body: '1\n'.repeat(5_000_000), headers }), 'PAYLOAD_TOO_LARGE')
  t.match(await server.post(path, undefined, { body: '\n'.repeat(10_000_000), headers }), {
    status: 207,
    json: { items: [] },
  })
})

t.test('a page of jobs ends before it is too large, and the next page begins there', { buffered: true }, async (t) => {
  for (let n = 0; n < 5; n += 1) {
    const { json } = await server.cast('large', 'text', n === 2 ? 6_000_000 : 1_500_000)
    await server.finished(json.id)
  }
  const sizes: number[] = []
  for (let cursor = ''; ; ) {
    const { json } = await server.get(`/v1/jobs?service=large&limit=1000${cursor}`)
    sizes.push(json.items.length)
    if (json.nextCursor === null) break
    cursor = `&cursor=${json.nextCursor}`
  }
  t.strictSame(sizes, [2, 1, 2])
})

t.test(
  '408: with the real timings, headers that take 3 s and a body that stops for 5 s',
  { buffered: true },
  async (t) => {
    for (const client of Object.values(slowClients)) {
      isRawProblem(t, await within(client.ended, 'an answer'), 'REQUEST_TIMEOUT')
      client.destroy()
    }
    t.match(slowClients.headers.text, /headers did not arrive within 3000 ms/)
    t.match(slowClients.body.text, /no progress for 5000 ms/)
  },
)
