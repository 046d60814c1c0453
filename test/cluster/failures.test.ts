/** Calls to nodes that refuse, hang, die, or cannot be reached. */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import t, { type Test } from 'tap'
import { becomes, isProblem, openGate, within } from '../http-helper.ts'
import { idlePeer, serveNode, servePair } from './nodes.ts'

interface FakeNode {
  url: string
  requests: IncomingMessage[]
}

/** A node that answers as the test says. */
async function fakeNode(
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<FakeNode> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  return { url: await listen(t, server), requests }
}

async function listen(t: Test, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function sendProblem(response: ServerResponse, status: number, members: object): void {
  response.writeHead(status, { 'content-type': 'application/problem+json', 'retry-after': '7' })
  response.end(JSON.stringify({ status, ...members }))
}

/** An address where nothing listens. */
async function unusedUrl(): Promise<string> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}

const first = await serveNode(t, 'first', { services: {} })

t.test('a node that refuses a call before it began is followed by another one', async (t) => {
  const refuses = await fakeNode(t, (request, response) => {
    request.resume()
    sendProblem(response, 503, { code: 'QUEUE_FULL', started: false })
  })
  const takes = await fakeNode(t, (request, response) => {
    let text = ''
    request.on('data', (piece) => {
      text += piece
    })
    request.on('end', () => response.end(text))
  })
  const one = idlePeer('one', refuses.url, 'far')
  const two = idlePeer('two', takes.url, 'far')
  first.cluster.list(one)
  const full = await first.call('far', 'any', { a: 1 })
  t.match(
    full,
    { status: 503, json: { code: 'QUEUE_FULL', started: false } },
    'the answer of the last one is passed on',
  )
  t.equal(full.headers['retry-after'], '7')

  first.cluster.list(one, { ...two, load: busy(two.load) })
  const answer = await first.call('far', 'any', { a: 1 })
  t.match(answer, { status: 200, text: '{"a":1}' }, 'with the same body')
  t.equal(refuses.requests.length, 2)
  t.equal(takes.requests.length, 1)
})

t.test('a call that may have begun is sent to one node only', async (t) => {
  for (const problem of [{ code: 'SERVICE_NOT_RUNNING', started: true }, { code: 'SHUTTING_DOWN' }, null]) {
    const refuses = await fakeNode(t, (request, response) => {
      request.resume()
      if (problem !== null) sendProblem(response, 503, problem)
      else response.writeHead(503).end('no JSON')
    })
    const other = await fakeNode(t, (_request, response) => response.end('1'))
    const two = idlePeer('two', other.url, 'far')
    first.cluster.list(idlePeer('one', refuses.url, 'far'), { ...two, load: busy(two.load) })
    t.equal((await first.call('far', 'any', {})).status, 503)
    t.equal(other.requests.length, 0)
  }
})

t.test('a body that is not kept is sent to one node only, and its refusal is passed on', async (t) => {
  const refuses = await fakeNode(t, (request, response) => {
    request.resume()
    sendProblem(response, 503, { code: 'QUEUE_FULL', started: false })
  })
  const other = await fakeNode(t, (_request, response) => response.end('1'))
  const two = idlePeer('two', other.url, 'far')
  first.cluster.list(idlePeer('one', refuses.url, 'far'), { ...two, load: busy(two.load) })
  const options = { body: Buffer.alloc(200_000), headers: { 'content-type': 'application/octet-stream' } }
  t.match(await first.post('/v1/services/far/call/any', undefined, options), { status: 503, json: { started: false } })
  t.equal(other.requests.length, 0)
})

t.test('a node that cannot be reached is followed by another one, also with a body that is not kept', async (t) => {
  let bytes = 0
  const takes = await fakeNode(t, (request, response) => {
    request.on('data', ({ byteLength }: Buffer) => {
      bytes += byteLength
    })
    request.on('end', () => response.end('1'))
  })
  const two = idlePeer('two', takes.url, 'far')
  for (const size of [10, 200_000]) {
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      // Another id each time: a node that could not be reached is the last choice for a while.
      first.cluster.list(idlePeer('one', await unusedUrl(), 'far'), { ...two, load: busy(two.load) })
      bytes = 0
      const options = { body: Buffer.alloc(size), headers: { 'content-type': 'application/octet-stream', ...headers } }
      t.equal((await first.post('/v1/services/far/call/any', undefined, options)).status, 200)
      t.equal(bytes, size)
    }
  }
})

t.test('if no node can be reached the service is not running', async (t) => {
  first.cluster.list(idlePeer('one', await unusedUrl(), 'far'), idlePeer('two', await unusedUrl(), 'far'))
  const answer = await first.call('far', 'any', {})
  isProblem(t, answer, 'SERVICE_NOT_RUNNING', { started: false, service: 'far', detail: /cannot be reached/ })
})

t.test(
  'a node that was started anew on its port, and is still known by its former token, is followed by another',
  async (t) => {
    const second = await serveNode(t, 'second', { services: { echo: 'echo' } })
    const third = await serveNode(t, 'third', { services: { echo: 'echo' } })
    const former = { ...second.peer, id: randomUUID(), token: 'former' }
    first.cluster.list(former)
    const nowhere = { started: false, service: 'echo', detail: /replaced by another/ }
    isProblem(t, await first.call('echo', 'any', {}), 'SERVICE_NOT_RUNNING', nowhere)
    const large = { text: 'x'.repeat(200_000) }
    isProblem(t, await first.call('echo', 'any', large), 'SERVICE_NOT_RUNNING', nowhere)
    // The one that has been replaced seems to be idle, so it is asked first.
    first.cluster.list(
      { ...idlePeer('second', second.peer.url, 'echo'), token: 'former' },
      { ...third.peer, load: busy(former.load) },
    )
    t.match(await first.call('echo', 'any', { a: 1 }), { status: 200, json: { a: 1 } })
  },
)

t.test('if no live node runs the service the first node answers as if it were alone', async (t) => {
  first.cluster.list()
  isProblem(t, await first.call('far', 'any', {}), 'SERVICE_NOT_FOUND')
  const node = await serveNode(t, 'other', { services: { echo: 'echo' }, start: false })
  isProblem(t, await node.call('echo', 'any', {}), 'SERVICE_NOT_RUNNING')
})

t.test('a node that dies during the call is a 502 at once', async (t) => {
  const dies = await fakeNode(t, (request) => {
    request.resume()
    request.on('end', () => request.socket.destroy())
  })
  const other = await fakeNode(t, (_request, response) => response.end('1'))
  const two = idlePeer('two', other.url, 'far')
  first.cluster.list(idlePeer('one', dies.url, 'far'), { ...two, load: busy(two.load) })
  isProblem(t, await first.call('far', 'any', {}), 'THREAD_DIED', { started: true, detail: /the node one was lost/ })
  t.equal(other.requests.length, 0)
})

t.test('a node that dies within its answer closes the connection of the client', async (t) => {
  const dies = await fakeNode(t, (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-length': '100' })
    response.write('the beginning', () => request.socket.destroy())
  })
  first.cluster.list(idlePeer('one', dies.url, 'far'))
  await t.rejects(first.call('far', 'any', {}), { code: 'ECONNRESET' })
})

t.test('a node that hangs costs a client its deadline, and a little more', async (t) => {
  const hangs = await fakeNode(t, (request) => request.resume())
  first.cluster.list(idlePeer('one', hangs.url, 'far'))
  const answer = await first.call('far', 'any', {}, { headers: { 'request-timeout': '20ms' } })
  isProblem(t, answer, 'DEADLINE_EXCEEDED', { started: true })
  t.equal(hangs.requests[0]?.headers['request-timeout'], '20ms')
  const [request] = hangs.requests
  if (request?.destroyed === false) await within(once(request, 'close'), 'the end of the connection')
})

t.test('only the headers of the request go to the other node, not those of the connection', async (t) => {
  const node = await fakeNode(t, (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/plain', 'x-answer': '1', connection: 'close, x-hop', 'x-hop': '1' })
    response.end('1')
  })
  const peer = idlePeer('one', node.url, 'far')
  first.cluster.list(peer)
  const answer = await first.call(
    'far',
    'any',
    {},
    {
      headers: {
        connection: 'keep-alive, x-hop',
        'x-hop': '1',
        'x-kept': '1',
        authorization: 'Bearer secret',
        cookie: 'threadplane_session=secret',
        'x-threadplane-caller': 'admin',
        'x-threadplane-scopes': 'admin',
        'x-threadplane-node': 'guess',
      },
    },
  )
  const { headers } = node.requests[0] as IncomingMessage
  t.match(headers, { 'x-kept': '1', 'x-threadplane-node': peer.token, host: node.url.slice('http://'.length) })
  for (const name of ['x-hop', 'authorization', 'cookie', 'x-threadplane-caller', 'x-threadplane-scopes']) {
    t.notOk(name in headers, name)
  }
  t.match(answer.headers, { 'x-answer': '1', 'x-content-type-options': 'nosniff' })
  t.notOk('x-hop' in answer.headers)
})

t.test('a client that sends as many and as long headers as it may is answered by the other node', async (t) => {
  const second = await serveNode(t, 'second', { services: { echo: 'echo' } })
  first.cluster.list(second.peer)
  const headers = Object.fromEntries(Array.from({ length: 95 }, (_, n) => [`x-header-${n}`, 'x'.repeat(140)]))
  t.equal((await first.call('echo', 'any', {}, { headers })).status, 200)
})

t.test('a call is never sent on a second time', async (t) => {
  const last = await serveNode(t, 'last', { services: { echo: 'echo' } })
  const middle = await serveNode(t, 'middle', { services: {} })
  middle.cluster.list(last.peer)
  // What the first node believes is wrong: the middle one does not run the service.
  first.cluster.list({ ...idlePeer('middle', middle.peer.url, 'echo'), token: middle.peer.token })
  isProblem(t, await first.call('echo', 'any', {}), 'SERVICE_NOT_FOUND')
  t.equal(last.server.nodeApp?.clients.count, 0)
  t.equal((await middle.call('echo', 'any', {})).status, 200)
})

t.test('a call runs here while the service runs here, and else on the other node', async (t) => {
  const here = await serveNode(t, 'here', { services: { echo: 'echo' } })
  const there = await serveNode(t, 'there', { services: { echo: 'echo' } })
  here.cluster.list(there.peer)
  const calls = async () => [(await here.status('echo')).counts.calls, (await there.status('echo')).counts.calls]
  await here.call('echo', 'any', {})
  t.strictSame(await calls(), [1, 0])
  await here.post('/v1/services/echo/pause')
  t.equal((await here.call('echo', 'any', {})).status, 200)
  t.strictSame(await calls(), [1, 1])
})

t.test('a node that stops in order refuses calls, and the ones that it runs are answered', async (t) => {
  const { first: one, second } = await servePair(t, { gate: 'gate' })
  const held = one.call('gate', 'hold', { token: 'drained' })
  await second.logs.line('begun', { token: 'drained' })
  // The first node has not learned yet that it stops.
  one.cluster.list({ ...second.peer, load: new Map(second.peer.load) })
  const closed = second.close()
  await becomes('the node to close', () => second.server.registry.closing)
  const refused = await one.call('gate', 'hold', { token: 'refused' })
  isProblem(t, refused, 'SHUTTING_DOWN', { started: false })
  openGate('drained')
  t.match(await held, { status: 200, json: 'drained' })
  await closed
})

t.test('the first node answers what it has sent to others before it closes', async (t) => {
  const { first: one, second } = await servePair(t, { gate: 'gate' })
  const held = one.call('gate', 'hold', { token: 'outlived' })
  await second.logs.line('begun', { token: 'outlived' })
  const closed = one.close()
  openGate('outlived')
  t.match(await held, { status: 200, json: 'outlived' })
  await closed
})

/** As busy as can be, and not full. */
function busy(load: ReturnType<typeof idlePeer>['load']): ReturnType<typeof idlePeer>['load'] {
  return new Map([...load].map(([name, one]) => [name, { ...one, running: 8, waiting: 50 }]))
}
