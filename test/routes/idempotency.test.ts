/** `Idempotency-Key` over HTTP: requests with one key make one job, also at the same time and after a restart. */
import t from 'tap'
import { isProblem, serve } from '../http-helper.ts'

const services = { echo: 'echo' }
const keyed = (key: string) => ({ headers: { 'idempotency-key': `"${key}"` } })

t.test('a hundred concurrent requests with one key make one job', async (t) => {
  const server = await serve(t, { services })
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => server.post('/v1/services/echo/cast/any', { n: 1 }, keyed('once'))),
  )
  t.strictSame([...new Set(answers.map(({ status }) => status))], [202])
  t.equal(new Set(answers.map(({ json }) => json.id)).size, 1)
  t.ok(answers.every(({ headers }) => Date.parse(String(headers['idempotency-expires'])) > Date.now()))
  await server.finished(answers[0]?.json.id)
  t.match((await server.get('/v1/jobs')).json, { items: [{ attempts: 1, state: 'succeeded' }] })
  t.equal((await server.get('/v1/jobs')).json.items.length, 1)
  t.equal((await server.status('echo')).counts.casts, 1)
})

t.test('another payload or other options with the same key are refused; each method has its own keys', async (t) => {
  const server = await serve(t, { services })
  const path = '/v1/services/echo/cast/any'
  const { json: first } = await server.post(path, { a: 1, b: 2 }, keyed('k'))
  t.match(await server.post(path, { b: 2, a: 1 }, keyed('k')), { status: 202, json: { id: first.id } }, 'in any order')
  isProblem(t, await server.post(path, { a: 2, b: 2 }, keyed('k')), 'IDEMPOTENCY_MISMATCH', { jobId: first.id })
  isProblem(t, await server.post(`${path}?priority=9`, { a: 1, b: 2 }, keyed('k')), 'IDEMPOTENCY_MISMATCH')
  const other = await server.post('/v1/services/echo/cast/job', {}, keyed('k'))
  t.equal(other.status, 202)
  t.not(other.json.id, first.id)
})

t.test('a number too large for JavaScript is not the same payload as null', async (t) => {
  const server = await serve(t, { services })
  const post = (body: string) =>
    server.post('/v1/services/echo/cast/any', undefined, {
      body,
      headers: { ...keyed('large').headers, 'content-type': 'application/json' },
    })
  const { json: first } = await post('{"a":1e400}')
  t.match(await post('{"a":1e400}'), { status: 202, json: { id: first.id } })
  for (const body of ['{"a":null}', '{"a":-1e400}', '{"a":"1e400"}'])
    isProblem(t, await post(body), 'IDEMPOTENCY_MISMATCH', { jobId: first.id })
})

t.test('a call with a key runs once, and has the same answer after a restart', async (t) => {
  const first = await serve(t, { services })
  const path = '/v1/services/echo/call/any'
  t.match(await first.post(path, [7], keyed('call')), { status: 200, json: [7] })
  await first.close()

  const server = await serve(t, { services, folder: first.folder })
  const again = await server.post(path, [7], keyed('call'))
  t.match(again, { status: 200, json: [7] })
  t.equal((await server.get('/v1/jobs')).json.items.length, 1)
  isProblem(t, await server.post(path, [8], keyed('call')), 'IDEMPOTENCY_MISMATCH')
  const { items } = (await server.get('/v1/jobs')).json
  isProblem(t, await server.delete(`/v1/jobs/${items[0].id}`), 'CONFLICT')
})

t.test('a call and a cast without options are one job if they have one key', async (t) => {
  const server = await serve(t, { services })
  const called = await server.post('/v1/services/echo/call/any', { n: 1 }, keyed('both'))
  t.match(called, { status: 200, json: { n: 1 } })
  const cast = await server.post('/v1/services/echo/cast/any', { n: 1 }, keyed('both'))
  t.match(cast, { status: 202, json: { state: 'succeeded' } })
  t.equal((await server.get('/v1/jobs')).json.items.length, 1)
})

t.test('a call with a key says that its error is not retryable, as any call does', async (t) => {
  const server = await serve(t, { services: { fails: 'fails' } })
  const path = '/v1/services/fails/call/notRetryable'
  t.match((await server.post(path, {})).json, { code: 'METHOD_FAILED', retryable: false })
  const kept = await server.post(path, {}, keyed('final'))
  t.match(kept.json, { code: 'METHOD_FAILED', retryable: false })
  t.match((await server.get(`/v1/jobs/${kept.json.jobId}`)).json, { attempts: 1, error: { retryable: false } })
})
