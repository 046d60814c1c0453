/** What a page shows of services at a glance: the short view of all, and the last hour. */
import t from 'tap'
import { isProblem, serve } from '../http-helper.ts'

t.test('a summary shows of each service what a list shows, in about 300 bytes', async (t) => {
  const server = await serve(t, { services: { echo: 'echo', fails: 'throws-at-import' } })
  await server.reaches('echo', 'running')
  await server.reaches('fails', 'backoff', 'failed', 'crashed')
  await server.call('echo', 'scalar', 1)
  const { status, json } = await server.get('/v1/services?view=summary')
  t.equal(status, 200)
  t.match(json.items, [
    {
      name: 'echo',
      state: 'running',
      desiredState: 'running',
      threads: { ready: 1, wanted: 1 },
      queue: { size: 0, running: 0, capacity: 10_000 },
      counts: { calls: 1, casts: 0, succeeded: 1, failed: 0, retried: 0 },
      restartCount: 0,
      restartBudget: { maxRestarts: 5, remaining: 5 },
      heapUsedBytes: Number,
      crashReason: null,
    },
    { name: 'fails', threads: { ready: 0, wanted: 1 }, heapUsedBytes: Number, crashReason: String },
  ])
  t.ok(json.items[0].heapUsedBytes > 0)
  t.ok(JSON.stringify(json.items[0]).length < 400)
  t.notMatch(json.items[1].crashReason, /\n/)
  t.ok((await server.get('/v1/services?view=full')).json.items[0].options)
  t.ok((await server.get('/v1/services')).json.items[0].options)
  isProblem(t, await server.get('/v1/services?view=short'), 'MALFORMED_QUERY')
})

t.test('the series of a service are rows of numbers', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  const { status, json } = await server.get('/v1/series?service=echo&last=15m')
  t.equal(status, 200)
  t.match(json, { stepMs: 10_000, columns: ['at', 'calls'], items: [] })
  t.equal((await server.get('/v1/series')).status, 200)
  isProblem(t, await server.get('/v1/series?service=none'), 'SERVICE_NOT_FOUND')
  for (const last of ['2h', '61m', '0s', 'x']) {
    isProblem(t, await server.get(`/v1/series?last=${last}`), 'MALFORMED_QUERY')
  }
})
