/** Methods that take or return bytes: the body of the request or of the answer is the payload. */
import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { isProblem, letGo, serve } from '../http-helper.ts'

const server = await serve(t, {
  services: { bytes: 'bytes', apart: 'bytes', late: 'waits-at-import' },
  maxBodyBytes: 1_500_000,
  start: false,
})
await server.post('/v1/services/bytes/start')
await server.put('apart', { module: 'apart.js', isolation: 'process' })

const typed = (type: string, body: Buffer | string) => ({ headers: { 'content-type': type }, body })
const call = (method: string, type: string, body: Buffer | string, service = 'bytes') =>
  server.call(service, method, undefined, typed(type, body))

for (const service of ['bytes', 'apart']) {
  t.test(`bytes arrive and come back unchanged: ${service}`, async (t) => {
    for (const size of [0, 1, 5_000, 65_536, 1_500_000]) {
      const body = randomBytes(size)
      const answer = await call('same', 'application/octet-stream', body, service)
      t.equal(answer.status, 200)
      t.equal(answer.headers['content-type'], 'application/octet-stream')
      t.equal(answer.headers['content-length'], `${size}`)
      t.ok(answer.bytes.equals(body), `${size} bytes`)
    }
  })
}

t.test('the answer has the media type of the output; the handler gets the media type of the request', async (t) => {
  const answer = await call('invert', 'image/webp', Buffer.from([0, 255]))
  t.equal(answer.headers['content-type'], 'image/png')
  t.same(answer.bytes, Buffer.from([255, 0]))
  t.equal((await call('type', 'Image/WebP; q=1', 'x')).json, 'Image/WebP; q=1')
  t.equal((await server.call('bytes', 'type', undefined, { body: 'x' })).json, 'none')
  t.equal((await server.call('bytes', 'type')).json, 'none', 'no body is no bytes')
  const chunked = { headers: { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' } }
  t.equal((await server.call('bytes', 'type', undefined, chunked)).json, 'text/plain')
})

t.test('an unsupported media type is refused with 415, which lists the supported ones', async (t) => {
  const takes = /takes image\/\*, application\/pdf$/
  for (const type of ['image/png', 'IMAGE/JPEG', 'application/pdf; a=b']) {
    t.equal((await call('invert', type, 'x')).status, 200, type)
  }
  for (const type of ['text/plain', 'imagery/png', 'application/pdfx']) {
    isProblem(t, await call('invert', type, 'x'), 'UNSUPPORTED_MEDIA_TYPE', { detail: takes, method: 'invert' })
  }
  isProblem(t, await server.call('bytes', 'invert', undefined, { body: 'x' }), 'UNSUPPORTED_MEDIA_TYPE', {
    detail: /is none: bytes.invert takes/,
  })
  isProblem(t, await server.call('bytes', 'invert'), 'UNSUPPORTED_MEDIA_TYPE')
})

t.test('JSON is not accepted as bytes, nor bytes as JSON', async (t) => {
  for (const method of ['same', 'invert']) {
    isProblem(t, await server.call('bytes', method, { a: 1 }), 'UNSUPPORTED_MEDIA_TYPE', { detail: /no JSON/ })
  }
  isProblem(t, await call('json', 'image/png', 'x'), 'UNSUPPORTED_MEDIA_TYPE', { detail: /send application\/json/ })
  isProblem(t, await call('nowhere', 'image/png', 'x'), 'METHOD_NOT_FOUND')
  t.equal((await call('json', 'image/png', '')).text, '{}', 'no body is no bytes')
})

t.test('too many bytes are 413: by THREADPLANE_MAX_BODY, by maxBytes', async (t) => {
  const detail = /1500000 bytes, the limit of this route; THREADPLANE_MAX_BODY/
  const body = Buffer.alloc(1_500_001)
  isProblem(t, await call('same', 'image/png', body), 'PAYLOAD_TOO_LARGE', { detail })
  const headers = { 'content-type': 'image/png', 'transfer-encoding': 'chunked' }
  isProblem(t, await server.call('bytes', 'same', undefined, { headers, body }), 'PAYLOAD_TOO_LARGE', { detail })
  isProblem(t, await call('invert', 'image/png', Buffer.alloc(1_001)), 'PAYLOAD_TOO_LARGE', {
    detail: 'bytes.invert takes at most 1000 bytes; these are 1001',
  })
})

t.test('a result that is not bytes is RESULT_INVALID; too many bytes are RESULT_NOT_SERIALIZABLE', async (t) => {
  isProblem(t, await server.call('bytes', 'wrong'), 'RESULT_INVALID')
  t.equal((await server.call('bytes', 'zeros', 2_000_000)).bytes.byteLength, 2_000_000)
  isProblem(t, await server.call('bytes', 'zeros', 2_000_001), 'RESULT_NOT_SERIALIZABLE', {
    detail: /larger than the 2000000 bytes of maxResultBytes/,
  })
})

t.test('a method that takes bytes cannot be a job', async (t) => {
  const image = typed('image/png', 'x')
  const detail = /no job/
  const post = (method: string) => server.post(`/v1/services/bytes/cast/${method}`, undefined, image)
  isProblem(t, await post('same'), 'UNSUPPORTED_MEDIA_TYPE', { detail })
  isProblem(t, await server.cast('bytes', 'same', {}), 'UNSUPPORTED_MEDIA_TYPE', { detail })
  isProblem(t, await post('json'), 'UNSUPPORTED_MEDIA_TYPE', { detail: /send application.json/ })
  for (const header of [{ prefer: 'respond-async' }, { 'idempotency-key': 'a' }]) {
    const headers = { ...image.headers, ...header }
    const answer = await server.call('bytes', 'same', undefined, { ...image, headers })
    isProblem(t, answer, 'UNSUPPORTED_MEDIA_TYPE', { detail: /no job/ })
  }
})

t.test('a job keeps a result of bytes as Base64; a call with an Idempotency-Key answers with the bytes', async (t) => {
  const { json } = await server.cast('bytes', 'zeros', 3)
  t.match(await server.finished(json.id), { state: 'succeeded', result: 'AAAA' })
  const answer = await server.call('bytes', 'zeros', 3, { headers: { 'idempotency-key': 'zeros' } })
  t.equal(answer.headers['content-type'], 'application/octet-stream')
  t.same(answer.bytes, Buffer.alloc(3))
})

t.test('a call with bytes waits for the description of its module', async (t) => {
  const started = server.post('/v1/services/late/start')
  const waiting = call('go', 'image/png', 'x', 'late')
  await server.logs.line('waits at import')
  letGo('late')
  t.equal((await started).status, 200)
  isProblem(t, await waiting, 'UNSUPPORTED_MEDIA_TYPE', { detail: /send application\/json/ })
})

t.test('calls that had not begun when the thread died run in another thread, with all their bytes', async (t) => {
  const bodies = Array.from({ length: 20 }, () => randomBytes(200_000))
  const deadly = server.call('bytes', 'exit')
  const answers = await Promise.all(bodies.map((body) => call('hash', 'image/png', body)))
  await deadly
  for (const [index, { status, json }] of answers.entries()) {
    // Calls that had begun beside the one that exits.
    if (status === 502) t.match(json, { code: 'THREAD_DIED', started: true })
    else
      t.equal(
        json,
        createHash('sha256')
          .update(bodies[index] as Buffer)
          .digest('hex'),
      )
  }
})

t.test('OpenAPI and the list of methods describe bytes', async (t) => {
  const { paths } = (await server.get('/openapi.json')).json
  const schema = { type: 'string', format: 'binary' }
  t.strictSame(paths['/v1/services/bytes/call/invert'].post.requestBody.content, {
    'image/*': { schema: { ...schema, maxLength: 1_000 } },
    'application/pdf': { schema: { ...schema, maxLength: 1_000 } },
  })
  t.strictSame(paths['/v1/services/bytes/call/invert'].post.responses[200].content, { 'image/png': { schema } })
  t.strictSame(paths['/v1/services/bytes/call/zeros'].post.responses[200].content, {
    'application/octet-stream': { schema },
  })
  t.notOk('/v1/services/bytes/cast/invert' in paths)
  t.ok('/v1/services/bytes/cast/zeros' in paths)
  const { items } = (await server.get('/v1/services/bytes/methods')).json
  const view = items.find(({ name }: { name: string }) => name === 'invert')
  t.match(view, { takes: ['image/*', 'application/pdf'], returns: 'image/png' })
})
