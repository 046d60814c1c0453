/** Calls that run on another node: to the client they look like calls that run on the node that it asks. */
import { type IncomingMessage, request } from 'node:http'
import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { isProblem, within } from '../http-helper.ts'
import { servePair } from './nodes.ts'

const { first, second } = await servePair(t, {
  echo: 'echo',
  bytes: 'bytes',
  fails: 'fails',
  streams: 'streams',
  gate: 'gate',
  measures: 'measures',
})

function openStream(method: string, payload: unknown): Promise<IncomingMessage> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    const path = `/v1/services/streams/call/${method}`
    // A stream of 100 MB takes longer than the method's 30 s on a machine that is busy with other things.
    const headers = { 'content-type': 'application/json', 'request-timeout': '5m' }
    const sent = request({ port: first.port, host: '127.0.0.1', method: 'POST', path, agent: false, headers })
    sent.on('response', resolve).on('error', reject)
    sent.end(JSON.stringify(payload))
  })
  return within(answered, `the head of an answer of ${method}`)
}

async function read(response: IncomingMessage): Promise<string> {
  const closed = new Promise<string>((resolve) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (piece: string) => {
      text += piece
    })
    response.on('error', () => {})
    response.on('close', () => resolve(text))
  })
  return within(closed, 'the end of an answer')
}

t.test('JSON goes there and back', async (t) => {
  const payload = { text: 'é', list: [1, 2, { deep: null }] }
  const answer = await first.call('echo', 'any', payload)
  t.equal(answer.status, 200)
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
  t.strictSame(answer.json, payload)
  t.strictSame((await first.call('echo', 'any')).json, {}, 'without a body')
  t.equal((await first.call('echo', 'byName', { name: 'ab', times: 2 })).json, 'abab')
})

t.test('JSON that is too large to be kept goes there as it arrives, with and without a length', async (t) => {
  const body = JSON.stringify({ text: `${'x'.repeat(1_000_000)}end` })
  for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
    const options = { body, headers: { 'content-type': 'application/json', ...headers } }
    const answer = await first.post('/v1/services/measures/call/text', undefined, options)
    t.match(answer.json, { length: 1_000_003, end: 'end' })
  }
})

t.test('bytes go there and back unchanged, small and large, with and without a length', async (t) => {
  for (const size of [0, 1, 60_000, 200_000, 1_500_000]) {
    const body = randomBytes(size)
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const options = { body, headers: { 'content-type': 'application/octet-stream', ...headers } }
      const answer = await first.post('/v1/services/bytes/call/same', undefined, options)
      t.equal(answer.status, 200)
      t.ok(answer.bytes.equals(body), `${size} bytes`)
      const hash = await first.post('/v1/services/bytes/call/hash', undefined, options)
      t.equal(hash.json, createHash('sha256').update(body).digest('hex'))
    }
  }
})

t.test('what the other node refuses is refused', async (t) => {
  isProblem(t, await first.call('echo', 'byName', { name: 1 }), 'VALIDATION_FAILED', {
    errors: [{ pointer: '/name' }],
    instance: '/v1/services/echo/call/byName',
  })
  isProblem(t, await first.call('echo', 'absent', {}), 'METHOD_NOT_FOUND')
  const malformed = { body: '{', headers: { 'content-type': 'application/json' } }
  isProblem(t, await first.post('/v1/services/echo/call/any', undefined, malformed), 'MALFORMED_BODY')
  const typed = { body: 'x', headers: { 'content-type': 'text/css' } }
  isProblem(t, await first.post('/v1/services/bytes/call/invert', undefined, typed), 'UNSUPPORTED_MEDIA_TYPE')
  isProblem(t, await first.call('fails', 'throws', {}), 'METHOD_FAILED', { started: true })
  isProblem(t, await first.call('absent', 'any', {}), 'SERVICE_NOT_FOUND')
})

t.test('a body that is too large is refused by the first node, or as soon as it is too large', async (t) => {
  const body = Buffer.alloc(11 * 1024 * 1024)
  for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
    const options = { body, headers: { 'content-type': 'application/octet-stream', ...headers } }
    isProblem(t, await first.post('/v1/services/bytes/call/same', undefined, options), 'PAYLOAD_TOO_LARGE')
  }
})

t.test('the items of a stream arrive, and its error closes the connection behind the last line', async (t) => {
  const response = await openStream('count', { to: 3 })
  t.match(response.headers, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
  t.equal(await read(response), '{"n":1}\n{"n":2}\n{"n":3}\n')
  t.ok(response.complete)

  const failing = await openStream('count', { to: 2, last: 'throw' })
  const lines = (await read(failing)).trimEnd().split('\n')
  t.notOk(failing.complete)
  t.strictSame(lines.slice(0, 2), ['{"n":1}', '{"n":2}'])
  t.match(JSON.parse(lines[2] as string), { code: 'METHOD_FAILED' })
})

t.test('a client that does not read stops the generator on the other node, and then gets every item', async (t) => {
  const response = await openStream('large', null)
  const produced = async () => (await second.call('streams', 'produced')).json as number
  let now = await produced()
  for (let same = 0; same < 20; ) {
    const before = now
    now = await produced()
    same = now === before ? same + 1 : 0
  }
  t.ok(now < 4_000, `${now} items of 5000 were made`)
  const text = await read(response)
  t.ok(response.complete)
  t.equal(text.length, 5_000 * 20_003)
})

t.test('a client that hangs up cancels the call on the other node', async (t) => {
  const gone = new AbortController()
  const call = first.call('gate', 'hold', { token: 'gone' }, { signal: gone.signal })
  await second.logs.line('begun', { token: 'gone' })
  gone.abort()
  await t.rejects(call)
  await second.logs.line('aborted', { token: 'gone' })
})

t.test('a client that hangs up during a stream ends the generator on the other node', async () => {
  const before = second.logs.lines('returned').length
  const response = await openStream('count', { to: 1, last: 'hold' })
  response.destroy()
  await second.logs.line('returned', {}, before + 1)
})

t.test('Request-Timeout is the deadline on the other node', async (t) => {
  const options = { headers: { 'request-timeout': '1s' } }
  const answer = await first.call('gate', 'hold', { token: 'late' }, options)
  // What is left of it: the first node has taken some.
  isProblem(t, answer, 'DEADLINE_EXCEEDED', {
    started: true,
    detail: /^no result of gate\.hold within (1000|\d{2,3}) ms/,
  })
  await second.logs.line('aborted', { token: 'late' })
  const wrong = { headers: { 'request-timeout': 'soon' } }
  isProblem(t, await first.call('gate', 'hold', { token: 'wrong' }, wrong), 'MALFORMED_HEADER')
})

t.test('the trace context goes along', async (t) => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const { json } = await first.call('echo', 'job', {}, { headers: { traceparent } })
  t.equal(json.traceparent, traceparent)
})

t.test('a call that is kept as a job stays on the node that is asked', async (t) => {
  for (const headers of [{ prefer: 'respond-async' }, { 'idempotency-key': '"one"' }]) {
    isProblem(t, await first.call('echo', 'any', {}, { headers }), 'SERVICE_NOT_FOUND')
  }
})

t.test('connections are used again', async (t) => {
  await Promise.all(Array.from({ length: 50 }, () => first.call('echo', 'any', {})))
  const count = () => second.server.nodeApp?.clients.count ?? 0
  const before = count()
  for (let call = 0; call < 20; call += 1) await first.call('echo', 'any', { call })
  t.ok(count() <= before)
})
