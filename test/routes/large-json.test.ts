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

t.test('a job is made only of valid JSON: it is checked before it is kept', async (t) => {
  const headers = { prefer: 'respond-async, wait=10' }
  t.match((await send(`{"text":"${LARGE}"}`, headers)).json, { length: 70_000 })
  const { items } = (await server.get('/v1/jobs')).json
  t.equal(items.length, 1)
  isProblem(t, await send(`{"text":"${LARGE}"`, headers), 'MALFORMED_BODY')
  isProblem(t, await send(`{"text":["${LARGE}"]}`, { 'idempotency-key': 'a' }), 'VALIDATION_FAILED')
  t.equal((await server.get('/v1/jobs')).json.items.length, 1)
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
