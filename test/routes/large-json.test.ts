/** JSON of 64 KiB and more is parsed and checked in the service's thread, with the same answers as smaller JSON. */
import t from 'tap'
import { isProblem, serve } from '../http-helper.ts'

const server = await serve(t, { services: { measures: 'measures', apart: 'measures', bytes: 'bytes' }, start: false })
await server.put('apart', { module: 'apart.js', isolation: 'process' })
for (const service of ['measures', 'bytes']) await server.post(`/v1/services/${service}/start`)

const LARGE = 'a'.repeat(70_000)
const send = (body: string | Buffer, headers: Record<string, string> = {}, service = 'measures', method = 'text') =>
  server.call(service, method, undefined, { body, headers: { 'content-type': 'application/json', ...headers } })

for (const service of ['measures', 'apart']) {
  t.test(`the method gets its value: ${service}`, async (t) => {
    for (const size of [65_535 - '{"text":""}'.length, 65_536 - '{"text":""}'.length, 1_000_000]) {
      const answer = await server.call(service, 'text', { text: `${'x'.repeat(size - 3)}end` })
      t.strictSame([answer.status, answer.json], [200, { length: size, end: 'end' }])
    }
    t.equal((await server.call(service, 'any', [LARGE, 1])).json, 2)
    t.equal((await server.call(service, 'any', LARGE)).json, 'string')
  })

  t.test(`invalid JSON is refused with the same errors: ${service}`, async (t) => {
    const { json } = await server.call(service, 'text', { text: LARGE, times: 'x' })
    t.match(json, { code: 'VALIDATION_FAILED', errors: [{ pointer: '/times' }], service, method: 'text' })
    isProblem(t, await send(`{"text":"${LARGE}",}`, {}, service), 'MALFORMED_BODY', { detail: /not well-formed JSON/ })
    const { errors } = (await server.call(service, 'numbers', new Array(2_000_000).fill('x'))).json
    t.strictSame([errors.length, errors[0].pointer], [1, '/0'])
    const reaching = `{"text":"${LARGE}","__proto__":{}}`
    isProblem(t, await send(reaching, {}, service), 'MALFORMED_BODY', { detail: /__proto__/ })
    const deep = '['.repeat(40_000) + ']'.repeat(40_000)
    isProblem(t, await send(deep, {}, service, 'any'), 'MALFORMED_BODY', { detail: /1000 levels/ })
  })
}

t.test('it may begin with a byte order mark, and come in chunks', async (t) => {
  const text = `{"text":"${LARGE}é"}`
  t.match((await send(`\ufeff${text}`)).json, { length: 70_001, end: 'aaé' })
  t.match((await send(text, { 'transfer-encoding': 'chunked' })).json, { length: 70_001, end: 'aaé' })
  t.match((await send(text, { 'content-type': 'application/vnd.a+json; charset="UTF-8"' })).json, { end: 'aaé' })
  isProblem(t, await send(text, { 'content-type': 'application/json; charset=latin1' }), 'UNSUPPORTED_MEDIA_TYPE')
})

t.test('a method that takes bytes does not accept it', async (t) => {
  for (const method of ['same', 'invert']) {
    isProblem(t, await send(`"${LARGE}"`, {}, 'bytes', method), 'UNSUPPORTED_MEDIA_TYPE', { detail: /no JSON/ })
  }
  isProblem(t, await send(`"${LARGE}"`, {}, 'bytes', 'nowhere'), 'METHOD_NOT_FOUND')
})

t.test('a large cast, and a batch, are checked before they are kept', async (t) => {
  const cast = (body: string, type = 'application/json', headers: Record<string, string> = {}) =>
    server.post('/v1/services/measures/cast/text', undefined, { body, headers: { 'content-type': type, ...headers } })
  const key = { 'idempotency-key': 'large' }
  const first = await cast(`{"text":"${LARGE}","times":1}`, 'application/json', key)
  t.equal(first.status, 202)
  const again = await cast(`{"times":1, "text":"${LARGE}"}`, 'application/json', key)
  t.match(again, { status: 202, json: { id: first.json.id } }, 'the order of the keys makes no difference')
  isProblem(t, await cast(`{"text":"${LARGE}"}`, 'application/json', key), 'IDEMPOTENCY_MISMATCH')
  isProblem(t, await cast(`{"text":"${LARGE}`), 'MALFORMED_BODY', { detail: /not well-formed JSON/ })
  const refused = await cast(`{"text":"${LARGE}","times":"x"}`)
  isProblem(t, refused, 'VALIDATION_FAILED', {
    errors: [{ pointer: '/times' }],
    detail: /the payload of measures.text/,
  })
  const { status, json } = await cast(`{"text":"${LARGE}"}\n\n{"text":1}\n{"text":\n`, 'application/x-ndjson')
  t.equal(status, 207)
  t.match(json.items, [
    { status: 202, job: { method: 'text' } },
    { status: 422, problem: { code: 'VALIDATION_FAILED', errors: [{ pointer: '/text' }] } },
    { status: 400, problem: { code: 'MALFORMED_BODY', detail: /not well-formed JSON/ } },
  ])
  isProblem(t, await cast('1\n'.repeat(5_001), 'application/x-ndjson'), 'PAYLOAD_TOO_LARGE', { detail: /5000 lines/ })
})

t.test('a route that takes no payload takes no large body', async (t) => {
  const large = { module: 'measures.js', dependsOn: [LARGE, LARGE, LARGE, LARGE] }
  isProblem(t, await server.put('another', large as never), 'PAYLOAD_TOO_LARGE', { detail: /262144 bytes/ })
})

t.test('a job is made only of valid JSON: it is checked before it is kept', async (t) => {
  const headers = { prefer: 'respond-async, wait=10' }
  const jobs = async () => (await server.get('/v1/jobs')).json.items.length
  const before = await jobs()
  t.match((await send(`{"text":"${LARGE}"}`, headers)).json, { length: 70_000 })
  t.equal(await jobs(), before + 1)
  isProblem(t, await send(`{"text":"${LARGE}"`, headers), 'MALFORMED_BODY')
  isProblem(t, await send(`{"text":["${LARGE}"]}`, { 'idempotency-key': 'a' }), 'VALIDATION_FAILED')
  t.equal(await jobs(), before + 1)
})

t.test('after the death of its thread the next thread gets it whole', async (t) => {
  const waiting = server.call('measures', 'wait')
  await server.logs.line('begun')
  const large = server.call('measures', 'text', { text: LARGE })
  // It was handed to the thread, which runs one method at a time.
  await server.waiting('measures', 1)
  await server.post('/v1/services/measures/crash', { kind: 'exit' })
  isProblem(t, await waiting, 'THREAD_DIED')
  t.match((await large).json, { length: 70_000 })
})
