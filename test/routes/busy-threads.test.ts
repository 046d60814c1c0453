/** A thread that is busy, or worse, and what becomes of those who share a service, or a thread, with that. */
import t from 'tap'
import { isProblem, serve } from '../http-helper.ts'

const services = { pair: 'busy', hung: 'busy', shared: 'busy', chaos: 'busy', posts: 'busy' }
const server = await serve(t, { services, start: false })
await Promise.all([
  server.put('shared', { module: 'shared.js', threads: 1, numWorkers: 4 }),
  server.put('chaos', { module: 'chaos.js', threads: 1 }),
])
for (const service of ['pair', 'hung', 'posts']) await server.post(`/v1/services/${service}/start`)

const many = (service: string) =>
  Promise.all(Array.from({ length: 40 }, (_, index) => server.call(service, 'quick', index)))
const numbers = Array.from({ length: 40 }, (_, index) => index)

t.test('what waits behind a method that takes its time goes to a thread that has nothing to do', async (t) => {
  void server.call('pair', 'wait', null, { headers: { 'request-timeout': '30s' } }).catch(() => {})
  await server.logs.line('waits', { service: 'pair' })
  t.strictSame(
    (await many('pair')).map(({ json }) => json),
    numbers,
  )
  t.equal((await server.status('pair')).queue.running, 1)
})

t.test('a thread that does not answer is handed nothing, and what it has not begun goes to others', async (t) => {
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
})

t.test(
  'a loop takes nobody with it: its thread is ended as soon as it is seen that no other method can end',
  async (t) => {
    const naps = await Promise.all([0, 1].map(() => server.cast('shared', 'nap')))
    const { json: loop } = await server.cast('shared', 'loop')
    t.match(await server.finished(loop.id), { state: 'failed', attempts: 1, error: { code: 'DEADLINE_EXCEEDED' } })
    for (const { json } of naps) {
      const job = await server.finished(json.id)
      t.equal(job.state, 'succeeded', JSON.stringify(job))
    }
    t.match(await server.status('shared'), { state: 'running', restartCount: 0 })
  },
)

t.test('a hang on purpose is seen, and comes to an end', async (t) => {
  await server.post('/v1/services/chaos/crash', { kind: 'hang' })
  await server.logs.line('Thread keepalive is not responding', { service: 'chaos' })
  t.match(await server.status('chaos'), { state: 'running', threads: [{ responsive: false }] })
  await server.reaches('chaos', 'backoff', 'starting')
  await server.reaches('chaos', 'running')
  t.match(await server.status('chaos'), { restartCount: 1 })
  t.equal((await server.call('chaos', 'quick', 1)).json, 1)
})

t.test('what a module posts past the package ends its thread, and nothing else', async (t) => {
  for (const message of [{}, [null], [{ type: 'log', level: 'no such level', message: 'x' }], 'text', 1]) {
    isProblem(t, await server.call('posts', 'post', message), 'THREAD_DIED', { detail: /is ended: / })
    await server.reaches('posts', 'running')
  }
  t.equal((await server.call('pair', 'quick', 1)).json, 1)
})
