/** A service with a busy or blocked thread: its other methods run in its other threads, or after the thread was ended. */
import t from 'tap'
import { shorten } from '../helper.ts'
import { isProblem, serve } from '../http-helper.ts'

shorten(t, {
  heartbeatEveryMs: 50,
  checkEveryMs: 50,
  unresponsiveAfterMs: 1_000,
  blockedAfterMs: 1_000,
  crashTimeoutMs: { exception: 1_000, exit: 1_000, oom: 10_000, hang: 2_500 },
})

const services = { pair: 'busy', hung: 'busy', shared: 'busy', chaos: 'busy', posts: 'busy' }
const server = await serve(t, { services, start: false })
await Promise.all([
  server.put('shared', { module: 'shared.js', threads: 1, numWorkers: 4 }),
  server.put('chaos', { module: 'chaos.js', threads: 1 }),
  ...['pair', 'hung', 'posts'].map((service) => server.post(`/v1/services/${service}/start`)),
])

const many = (service: string) =>
  Promise.all(Array.from({ length: 40 }, (_, index) => server.call(service, 'quick', index)))
const numbers = Array.from({ length: 40 }, (_, index) => index)

t.test('calls that wait behind a long method go to an idle thread', async (t) => {
  void server.call('pair', 'wait', null, { headers: { 'request-timeout': '30s' } }).catch(() => {})
  await server.logs.line('waits', { service: 'pair' })
  t.strictSame(
    (await many('pair')).map(({ json }) => json),
    numbers,
  )
  t.equal((await server.status('pair')).queue.running, 1)
})

t.test('a thread that does not respond gets no calls, and those it has not begun go to other threads', async (t) => {
  void server.call('hung', 'loopLong', null, { headers: { 'request-timeout': '30s' } }).catch(() => {})
  await server.logs.line('loops for long', { service: 'hung' })
  t.strictSame(
    (await many('hung')).map(({ json }) => json),
    numbers,
  )
  await server.logs.line('Thread keepalive is not responding', { service: 'hung' })
  t.strictSame(
    (await many('hung')).map(({ json }) => json),
    numbers,
  )
  const { threads } = await server.status('hung')
  t.strictSame(threads.map((thread: { responsive: boolean }) => thread.responsive).sort(), [false, true])
  await server.post('/v1/services/hung/stop')
})

t.test('a thread that loops past the deadline of a method is ended, and its other methods run again', async (t) => {
  const naps = await Promise.all([0, 1].map(() => server.cast('shared', 'nap')))
  const { json: loop } = await server.cast('shared', 'loop')
  t.match(await server.finished(loop.id), { state: 'failed', attempts: 1, error: { code: 'DEADLINE_EXCEEDED' } })
  for (const { json } of naps) {
    const job = await server.finished(json.id)
    t.equal(job.state, 'succeeded', JSON.stringify(job))
  }
  t.match(await server.status('shared'), { state: 'running', restartCount: 0 })
})

t.test('POST crash with kind hang: the thread does not respond, and is ended and restarted', async (t) => {
  await server.post('/v1/services/chaos/crash', { kind: 'hang' })
  await server.logs.line('Thread keepalive is not responding', { service: 'chaos' })
  t.match(await server.status('chaos'), { state: 'running', threads: [{ responsive: false }] })
  await server.restarted('chaos', 1)
  t.match(await server.status('chaos'), { restartCount: 1 })
  t.equal((await server.call('chaos', 'quick', 1)).json, 1)
})

t.test('a module that posts messages of its own loses its thread, and no other service is affected', async (t) => {
  for (const message of [{}, [null], [{ type: 'log', level: 'no such level', message: 'x' }], 'text', 1]) {
    isProblem(t, await server.call('posts', 'post', message), 'THREAD_DIED', { detail: /is ended: / })
    await server.reaches('posts', 'running')
  }
  t.equal((await server.call('pair', 'quick', 1)).json, 1)
})
