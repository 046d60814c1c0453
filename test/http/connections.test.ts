/** What a connection gets besides the answers of Fastify: nothing is written into an answer, and none holds a shutdown. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { becomes, isProblem, isRawProblem, openGate, serve, type TestServer, within } from '../http-helper.ts'

const head = (method: string, path: string, ...headers: string[]) =>
  [`${method} ${path} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n')
const post = (path: string, json: unknown) => {
  const body = JSON.stringify(json)
  return head('POST', path, 'Content-Type: application/json', `Content-Length: ${body.length}`) + body
}
const hold = (token: string) => post('/v1/services/gate/call/hold', { token })

/** A client on a raw socket. `text` resolves with all that the server has sent, when the connection is closed. */
function open(
  t: { teardown: (done: () => void) => void },
  { port }: TestServer,
): { socket: Socket; text: Promise<string> } {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).setEncoding('utf8')
  t.teardown(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.on('end', () => socket.end())
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)))
  return { socket, text: within(closed, 'the connection to be closed') }
}

t.test('bytes that are no request never get into the answer that is under way', async (t) => {
  // Half a header is refused when its time is over.
  const server = await serve(t, { services: { gate: 'gate' }, slowClients: { headersMs: 300 } })
  for (const [n, bytes] of [
    'GARBAGE\r\n\r\n',
    '\x16\x03\x01',
    'GET / HTTP/9.9\r\n\r\n',
    head('CONNECT', 'a:1'),
  ].entries()) {
    const token = `behind ${n}`
    const refused = new Promise<void>((resolve) => {
      for (const event of ['clientError', 'connect']) server.server.app.server.once(event, () => resolve())
    })
    const { socket, text } = open(t, server)
    socket.write(hold(token))
    await server.logs.line('begun', { token })
    socket.write(bytes)
    await within(refused, 'the bytes to be refused')
    openGate(token)
    t.match(await text, new RegExp(`^HTTP/1\\.1 200 OK\r\n[^]*\r\n\r\n"${token}"$`), JSON.stringify(bytes))
  }
  const { socket, text } = open(t, server)
  socket.write(hold('half'))
  await server.logs.line('begun', { token: 'half' })
  socket.write('GET /livez HTTP/1.1\r\nHost: loc')
  await within(once(server.server.app.server, 'clientError'), 'the half header to be refused')
  openGate('half')
  t.match(await text, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n"half"$/)

  const streaming = await serve(t, { services: { streams: 'streams' } })
  const stream = open(t, streaming)
  stream.socket.write(post('/v1/services/streams/call/count', { to: 100_000 }))
  await once(stream.socket, 'data')
  stream.socket.write('GARBAGE\r\n\r\n')
  const streamed = await stream.text
  t.match(streamed, /\r\n0\r\n\r\n$/, 'the stream is complete')
  t.notMatch(streamed, /HTTP\/1\.1 400/)
})

t.test('400: a body that is not well chunked is answered, as it is the fault of that request', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  const chunked = head(
    'POST',
    '/v1/services/gate/call/nap',
    'Content-Type: application/json',
    'Transfer-Encoding: chunked',
  )
  isRawProblem(t, await server.raw(`${chunked}nonsense\r\n`), 'MALFORMED_HEADER')
})

t.test('405: CONNECT', async (t) => {
  const server = await serve(t, { services: {} })
  const answer = await server.raw(head('CONNECT', 'example.com:443'))
  isRawProblem(t, answer, 'METHOD_NOT_ALLOWED')
  t.match(answer, /\r\nAllow: /)
})

t.test('no client holds a shutdown: whatever it waits for, sends or leaves open', async (t) => {
  const server = await serve(t, { services: { gate: 'gate', echo: 'echo' } })
  const { json: later } = await server.cast('gate', 'nap', {}, '?delayMs=3600000')
  const { json: running } = await server.cast('gate', 'hold', { token: 'cast' })
  await server.logs.line('begun', { token: 'cast' })
  const wait = { headers: { prefer: 'wait=60' } }
  const respond = { headers: { prefer: 'respond-async, wait=60' } }
  const requests = new Promise<void>((resolve) => {
    let count = 0
    server.server.app.server.on('request', () => ++count === 7 && resolve())
  })
  const waiting = [later, running].map(({ id }) => server.get(`/v1/jobs/${id}`, wait))
  const asynchronous = server.call('gate', 'hold', { token: 'async' }, respond)
  const keyed = server.call('gate', 'hold', { token: 'keyed' }, { headers: { 'idempotency-key': 'k' } })
  const clients = Object.fromEntries(
    Object.entries({
      nothing: '',
      halfHeader: 'GET /livez HTTP/1.1\r\nHost: ',
      halfBody: head('POST', '/v1/services/echo/call/any', 'Content-Type: application/json', 'Content-Length: 9') + '{',
      keptAlive: head('GET', '/livez'),
      held: hold('held'),
    }).map(([name, bytes]) => {
      const client = open(t, server)
      client.socket.write(bytes)
      return [name, client]
    }),
  )
  await requests
  for (const token of ['async', 'keyed', 'held']) await server.logs.line('begun', { token })

  const closed = server.close()
  // These do not wait for the methods that still run.
  const [scheduled, begun] = await Promise.all(waiting)
  t.match(scheduled, { status: 200, json: { state: 'scheduled' } })
  t.match(begun, { status: 200, json: { state: 'running' } })
  t.match(await asynchronous, { status: 202, json: { state: 'running' } })
  isRawProblem(t, (await clients.halfBody?.text) ?? '', 'SHUTTING_DOWN')
  t.match((await server.get(`/v1/jobs/${later.id}`, wait)).json, { state: 'scheduled' })
  isProblem(t, await server.call('gate', 'nap'), 'SHUTTING_DOWN')

  for (const token of ['cast', 'async', 'keyed', 'held']) openGate(token)
  t.match(await keyed, { status: 200, json: 'keyed' }, 'a keyed call gets its result')
  t.match(await clients.held?.text, /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*"held"$/i)
  await closed
  t.match(await clients.keptAlive?.text, /^HTTP\/1\.1 200/)
  for (const name of ['nothing', 'halfHeader']) t.equal(await clients[name]?.text, '')
})

t.test('of requests that are sent ahead on a connection, one is answered at a time', async (t) => {
  const server = await serve(t, { services: { gate: 'gate', large: 'large' } })
  const requests = new Promise<void>((resolve) => {
    let count = 0
    server.server.app.server.on('request', () => ++count === 21 && resolve())
  })
  const { socket } = open(t, server)
  socket.write(hold('first') + post('/v1/services/large/call/text', 1_000_000).repeat(20))
  await within(requests, 'all requests')
  await server.logs.line('begun', { token: 'first' })
  const counts = async () => (await server.status('large')).counts.calls
  t.equal(await counts(), 0, 'none of the others has begun')
  socket.pause()
  openGate('first')
  await becomes('the next one to be called', async () => (await counts()) > 0)
  socket.resume()
  await becomes('all to be called', async () => (await counts()) === 20)
})

t.test('bodies beyond a sum are refused, with a length and without one, until others are answered', async (t) => {
  const server = await serve(t, { services: { gate: 'gate', large: 'large' }, maxBodiesBytes: 100_000 })
  const payload = { token: 'held', pad: 'x'.repeat(60_000) }
  const first = server.call('gate', 'hold', payload)
  await server.logs.line('begun', { token: 'held' })
  isProblem(t, await server.call('gate', 'hold', payload), 'TOO_MANY_BODIES', { detail: /100000 bytes/ })
  const chunked = {
    body: JSON.stringify(payload),
    headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
  }
  isProblem(t, await server.call('gate', 'hold', undefined, chunked), 'TOO_MANY_BODIES')
  t.match(await server.call('large', 'text', 3), { status: 200, json: 'xxx' }, 'small ones are taken')
  openGate('held')
  t.match(await first, { status: 200 })
  t.match(await server.call('gate', 'hold', payload), { status: 200 })
  t.match(await server.call('gate', 'hold', undefined, chunked), { status: 200 })
})

t.test('a client that does not read its answer holds a shutdown for no more than a second', async (t) => {
  const server = await serve(t, { services: { large: 'large' } })
  const { socket, text } = open(t, server)
  socket.pause()
  const answered = new Promise<void>((resolve) => {
    server.server.app.server.on('request', (_request, response) => response.once('prefinish', () => resolve()))
  })
  socket.write(post('/v1/services/large/call/text', 30_000_000))
  await within(answered, 'the answer')
  await server.close()
  t.match(await server.logs.line('closed 1 connections: their clients read nothing for 500 ms'), { level: 40 })
  socket.resume()
  await text
})
