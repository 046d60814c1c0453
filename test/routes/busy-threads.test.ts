/** A service with a busy or blocked thread: its other methods run in its other threads, or after the thread was ended. */
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { shorten } from '../helper.ts'
import { becomes, isProblem, serve } from '../http-helper.ts'

shorten(t, { heartbeatEveryMs: 50, checkEveryMs: 50 })

const services = { pair: 'busy', hung: 'busy', shared: 'busy', chaos: 'busy', posts: 'busy' }
const server = await serve(t, { services, start: false })
await Promise.all([
  server.put('shared', { module: 'shared.js', threads: 1, numWorkers: 4 }),
  server.put('chaos', { module: 'chaos.js', threads: 1 }),
  ...['pair', 'hung', 'posts'].map((service) => server.post(`/v1/services/${service}/start`)),
])

// Not before the starts: on a busy machine a thread may take a second to start.
shorten(t, {
  unresponsiveAfterMs: 1_000,
  blockedAfterMs: 1_000,
  crashTimeoutMs: { exception: 1_000, exit: 1_000, oom: 10_000, hang: 4_000 },
})
const notResponding = 'Thread keepalive is not responding'

const many = (service: string) =>
  Promise.all(Array.from({ length: 40 }, (_, index) => server.call(service, 'quick', index)))
/** Waits until the threads of a running service respond or not, as expected. */
const responsive = (service: string, expected: boolean[]) =>
  becomes(`the threads of ${service} to be responsive: ${expected.join(' ')}`, async () => {
    const { state, threads } = await server.status(service)
    const values = threads.map((thread: { responsive: boolean }) => thread.responsive)
    return state === 'running' && isDeepStrictEqual(values.sort(), expected)
  })
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
  await responsive('hung', [false, true])
  t.ok(server.logs.has(notResponding, { service: 'hung' }))
  t.strictSame(
    (await many('hung')).map(({ json }) => json),
    numbers,
  )
  await responsive('hung', [false, true])
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
  await responsive('chaos', [false])
  t.ok(server.logs.has(notResponding, { service: 'chaos' }))
  t.match(await server.status('chaos'), { state: 'running', restartCount: 0 })
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
