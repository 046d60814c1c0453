/** `Prefer` on a call (RFC 7240): a client that does not want to wait gets a job. */
import t from 'tap'
import { readPreference } from '../../routes/shared/request-headers.ts'
import { isProblem, openGate, serve } from '../http-helper.ts'

const server = await serve(t, { services: { echo: 'echo', gate: 'gate' } })
const call = (prefer: string, headers = {}, service = 'echo', method = 'any', payload: unknown = 1) =>
  server.call(service, method, payload, { headers: { prefer, ...headers } })

t.test('respond-async without wait is always answered with a job', async (t) => {
  for (const prefer of ['respond-async', 'Respond-Async', 'respond-async, wait=0', 'wait=0;x=",", respond-async']) {
    for (let time = 0; time < 10; time += 1) {
      const { status, headers, json } = await call(prefer)
      t.equal(status, 202, prefer)
      t.equal(headers.location, `/v1/jobs/${json.id}`)
    }
  }
})

t.test('a call that is known by its Idempotency-Key is answered with its result', async (t) => {
  const key = { 'idempotency-key': 'known' }
  const { json } = await call('respond-async', key)
  await server.finished(json.id)
  t.match(await call('respond-async', key), { status: 200, json: 1 })
})

t.test('the wait ends at the deadline of the request', async (t) => {
  const held = await call('respond-async, wait=60', { 'request-timeout': '50ms' }, 'gate', 'hold', { token: 'a' })
  t.equal(held.status, 202)
  openGate('a')
  await server.finished(held.json.id)
})

t.test('Preference-Applied has the preferences that were applied, and no others', async (t) => {
  const applied = async (prefer: string, headers = {}) => (await call(prefer, headers)).headers['preference-applied']
  t.equal(await applied('respond-async, wait=10'), 'respond-async, wait=10')
  t.equal(await applied('wait="10", respond-async'), 'respond-async, wait=10')
  t.equal(await applied('wait=70, wait=1, respond-async'), 'respond-async, wait=60')
  t.equal(await applied('wait=5', { 'idempotency-key': 'b' }), undefined, 'a call waits for its result')
  for (const other of [
    'handling=strict',
    'a="respond-async, wait=5"',
    'a;b="c, respond-async"',
    '"',
    'respond-async=no',
  ]) {
    const { status, headers } = await call(other)
    t.strictSame([status, headers['preference-applied']], [200, undefined], other)
  }
  isProblem(t, await call('respond-async, wait=soon'), 'MALFORMED_HEADER', { detail: /a number of seconds/ })
})

t.test(
  'for a service that does not run, respond-async makes a job that waits; a call with a key is refused',
  async (t) => {
    await server.post('/v1/services/echo/stop')
    const { status, json } = await call('respond-async')
    t.equal(status, 202)
    isProblem(t, await call('handling=lenient', { 'idempotency-key': 'c' }), 'SERVICE_NOT_RUNNING')
    await server.post('/v1/services/echo/start')
    t.match(await server.finished(json.id), { state: 'succeeded' })
  },
)

t.test('a header takes time in proportion to its length', async (t) => {
  // Time in proportion to the square of the length would be many minutes here: the test would not end.
  const length = 1_000_000
  for (const header of [
    `${'a'.repeat(length)}"`,
    `a${' '.repeat(length)}"`,
    `a=${'b'.repeat(length)}"`,
    `a;${'b;'.repeat(length / 2)}"`,
    `a="${'\\b'.repeat(length / 2)}`,
    `${' ,'.repeat(length / 2)}"`,
    `${'"a"'.repeat(length / 2)}"`,
    '"'.repeat(length),
  ]) {
    t.match(readPreference(`respond-async, ${header}`), { respondAsync: true }, header.slice(0, 5))
  }
})
