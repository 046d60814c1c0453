/** Streams: the server sends each item as soon as it exists, and no faster than the client reads. */
import { type IncomingMessage, request } from 'node:http'
import t from 'tap'
import { isProblem, serve, within } from '../http-helper.ts'

const server = await serve(t, { services: { streams: 'streams', apart: 'streams' }, start: false })
await server.post('/v1/services/streams/start')
await server.put('apart', { module: 'apart.js', isolation: 'process' })

interface Read {
  status: number | undefined
  type: string | undefined
  text: string
  /** Did the body end as HTTP requires? */
  complete: boolean
}

function open(method: string, payload: unknown, headers = {}, service = 'streams'): Promise<IncomingMessage> {
  const { port } = server
  const path = `/v1/services/${service}/call/${method}`
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path,
      agent: false,
      headers: { ...JSON_TYPE, ...headers },
    })
    sent.on('response', resolve)
    sent.on('error', reject)
    sent.end(JSON.stringify(payload))
  })
  return within(answered, `the head of an answer of ${method}`)
}

const JSON_TYPE = { 'content-type': 'application/json' }
const AS_EVENTS = { accept: 'text/event-stream' }

function read(response: IncomingMessage): Promise<Read> {
  const done = new Promise<Read>((resolve) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      text += chunk
    })
    response.on('error', () => {})
    response.on('close', () => {
      const { statusCode: status, headers, complete } = response
      resolve({ status, type: headers['content-type'], text, complete })
    })
  })
  return within(done, 'the end of an answer')
}

const stream = async (method: string, payload: unknown, headers = {}, service = 'streams') =>
  read(await open(method, payload, headers, service))

const lines = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))

for (const service of ['streams', 'apart']) {
  t.test(`a stream is NDJSON, one line for each item: ${service}`, async (t) => {
    const { status, type, text, complete } = await stream('count', { to: 3 }, {}, service)
    t.strictSame({ status, type, complete }, { status: 200, type: 'application/x-ndjson', complete: true })
    t.equal(text, '{"n":1}\n{"n":2}\n{"n":3}\n')
    t.strictSame(await stream('count', { to: 0 }, {}, service), { status, type, text: '', complete })
  })
}

t.test('a client that accepts server-sent events gets those', async (t) => {
  const { type, text, complete } = await stream('count', { to: 2 }, AS_EVENTS)
  t.equal(type, 'text/event-stream; charset=utf-8')
  t.equal(text, 'data: {"n":1}\n\ndata: {"n":2}\n\nevent: end\ndata: null\n\n')
  t.ok(complete)
})

t.test('the Accept header is read as HTTP defines it', async (t) => {
  const typeFor = async (accept: string) => {
    const { headers } = await server.call('streams', 'count', { to: 1 }, { headers: { accept } })
    return String(headers['content-type']).split(';')[0]
  }
  for (const accept of ['TEXT/Event-Stream', 'text/event-stream, */*;q=0.1', 'application/x-ndjson;q=0.5, text/*']) {
    t.equal(await typeFor(accept), 'text/event-stream', accept)
  }
  for (const accept of ['*/*', 'text/event-stream;q=0, */*', 'text/html', 'application/json, text/event-stream;q=0']) {
    t.equal(await typeFor(accept), 'application/x-ndjson', accept)
  }
})

t.test('the headers of a stream forbid proxies to store or buffer it', async (t) => {
  const response = await open('count', { to: 1 })
  t.match(response.headers, { 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  await read(response)
})

t.test('a client that does not read pauses the generator, and then gets every item', async (t) => {
  const response = await open('large', null)
  const produced = async () => (await server.call('streams', 'produced')).json as number
  let now = await produced()
  for (let same = 0; same < 20; ) {
    const before = now
    now = await produced()
    same = now === before ? same + 1 : 0
  }
  t.ok(now < 4_000, `${now} items of 5000 were made`)
  const { text, complete } = await read(response)
  t.ok(complete)
  t.equal(text.length, 5_000 * 20_003)
  t.equal(await produced(), 5_000)
})

t.test('a thread is not ended for sending many small items', async (t) => {
  const { text, complete } = await stream('count', { to: 100_000 })
  t.ok(complete)
  t.equal(lines(text).length, 100_000)
  t.match(await server.status('streams'), { state: 'running', restartCount: 0 })
})

t.test('an error before the first item has its own status', async (t) => {
  isProblem(t, await server.call('streams', 'count', { to: 'many' }), 'VALIDATION_FAILED')
  isProblem(t, await server.call('streams', 'count', { to: 0, last: 'throw' }), 'METHOD_FAILED', {
    error: { name: 'RangeError' },
  })
  isProblem(t, await server.call('streams', 'count', { to: 0, last: 'lie' }), 'RESULT_INVALID')
  isProblem(t, await server.call('streams', 'count', { to: 0, last: 'exit' }), 'THREAD_DIED')
  const headers = { 'request-timeout': '30ms' }
  isProblem(t, await server.call('streams', 'count', { to: 0, last: 'hold' }, { headers }), 'DEADLINE_EXCEEDED')
})

const failures = {
  throw: { code: 'METHOD_FAILED', error: { name: 'RangeError', message: 'no more' } },
  lie: { code: 'RESULT_INVALID', errors: [{ pointer: '/n' }] },
  exit: { code: 'THREAD_DIED', started: true },
  hold: { code: 'DEADLINE_EXCEEDED', started: true },
}

for (const [last, problem] of Object.entries(failures)) {
  t.test(`an error after the first item is the last line, and the body is incomplete: ${last}`, async (t) => {
    const headers = last === 'hold' ? { 'request-timeout': '1s' } : {}
    const { status, text, complete } = await stream('count', { to: 2, last }, headers)
    t.equal(status, 200)
    t.notOk(complete)
    const [first, second, third] = lines(text)
    t.strictSame([first, second], [{ n: 1 }, { n: 2 }])
    t.match(third, { type: /^urn:threadplane:problem:/, status: Number, instance: /call\/count$/, ...problem })
    await server.reaches('streams', 'running')
  })

  t.test(`with server-sent events the error is the last event: ${last}`, async (t) => {
    const headers = last === 'hold' ? { 'request-timeout': '1s' } : {}
    const { text, complete } = await stream('count', { to: 1, last }, { ...AS_EVENTS, ...headers })
    t.ok(complete)
    const [, name, data] = /^data: {"n":1}\n\nevent: (\w+)\ndata: (.*)\n\n$/.exec(text) ?? []
    t.equal(name, 'error')
    t.match(JSON.parse(data as string), problem)
    await server.reaches('streams', 'running')
  })
}

t.test('maxResultBytes limits one item of a stream', async (t) => {
  const { text, complete } = await stream('tooLarge', null)
  t.notOk(complete)
  t.match(lines(text), ['x', { code: 'RESULT_NOT_SERIALIZABLE', detail: /maxResultBytes/ }])
})

t.test('when the client closes the connection the generator ends, and its worker is free', async (t) => {
  const before = server.logs.lines('returned').length
  for (let client = 0; client < 6; client += 1) {
    const response = await open('count', { to: 1, last: 'hold' })
    response.destroy()
  }
  t.equal((await server.call('streams', 'produced')).status, 200)
  await server.logs.line('returned', {}, before + 6)
  await server.running('streams', 0)
  t.match(await server.status('streams'), { queue: { running: 0, size: 0 } })
})

t.test('the result of a job is an array of all items', async (t) => {
  const { json } = await server.cast('streams', 'count', { to: 2 })
  t.match(await server.finished(json.id), { state: 'succeeded', result: [{ n: 1 }, { n: 2 }] })
  const headers = { prefer: 'respond-async, wait=10' }
  const answer = await server.call('streams', 'count', { to: 2 }, { headers })
  t.match(answer, { status: 200, json: [{ n: 1 }, { n: 2 }] })
  const { json: large } = await server.cast('streams', 'count', { to: 100_000 })
  t.match(await server.finished(large.id), { state: 'failed', error: { code: 'RESULT_NOT_SERIALIZABLE' } })
})

t.test('OpenAPI and the list of methods describe streams', async (t) => {
  const { paths } = (await server.get('/openapi.json')).json
  const schema = { $ref: '#/components/schemas/StreamsCountOutput' }
  t.strictSame(paths['/v1/services/streams/call/count'].post.responses[200].content, {
    'text/event-stream': { schema },
    'application/x-ndjson': { schema },
  })
  const { items } = (await server.get('/v1/services/streams/methods')).json
  t.match(items, [
    { name: 'count', streams: true, output: { type: 'object' } },
    {},
    { name: 'produced', streams: false },
  ])
})
