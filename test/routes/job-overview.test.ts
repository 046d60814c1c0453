/** Jobs at a glance: their numbers by service and state, and the payload of one. */
import t from 'tap'
import { becomes, isProblem, openGate, serve } from '../http-helper.ts'

t.test('jobs are counted by service and state', async (t) => {
  const server = await serve(t, { services: { echo: 'echo', gate: 'gate' } })
  t.match((await server.get('/v1/jobs/counts')).json, { items: [], total: { queued: 0, succeeded: 0 } })
  const { json: done } = await server.cast('echo', 'scalar', 1)
  await server.finished(done.id)
  await server.cast('echo', 'scalar', 1, '?delayMs=3600000')
  await server.cast('gate', 'hold', { token: 'held' })
  await server.logs.line('begun', { token: 'held' })
  const { status, json } = await server.get('/v1/jobs/counts')
  t.equal(status, 200)
  const none = { scheduled: 0, queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0 }
  t.strictSame(json, {
    items: [
      { service: 'echo', counts: { ...none, scheduled: 1, succeeded: 1 }, oldestQueuedAt: null },
      { service: 'gate', counts: { ...none, running: 1 }, oldestQueuedAt: null },
    ],
    total: { ...none, scheduled: 1, running: 1, succeeded: 1 },
  })
  const { json: one } = await server.get('/v1/jobs/counts?service=gate')
  t.strictSame(one, { items: [json.items[1]], total: { ...none, running: 1 } })
  isProblem(t, await server.get('/v1/jobs/counts?servce=gate'), 'MALFORMED_QUERY')
  openGate('held')
})

t.test('an attempt that has not begun in its thread is counted as queued, as in a list', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  for (let n = 0; n < 10; n += 1) await server.cast('gate', 'hold', { token: 'held' })
  const running = async () => (await server.get('/v1/jobs/counts?service=gate')).json.total.running as number
  await becomes('as many running jobs as begun methods', async () => {
    const count = await running()
    return count > 0 && count === server.service('gate').running
  })
  const { json } = await server.get('/v1/jobs/counts?service=gate')
  t.equal(json.total.running + json.total.queued, 10)
  openGate('held')
})

t.test(
  'the age of the oldest job that waits is that of one of a paused service, on disk or in its thread',
  async (t) => {
    const server = await serve(t, { services: { gate: 'gate' } })
    const oldest = async () => (await server.get('/v1/jobs/counts')).json.items[0].oldestQueuedAt as string | null
    await server.post('/v1/services/gate/pause')
    const { json: first } = await server.cast('gate', 'hold', { token: 'old' })
    await server.cast('gate', 'hold', { token: 'old' })
    t.equal(await oldest(), first.createdAt)
    const { text } = await server.get('/metrics')
    t.ok(Number(/oldest_queued_job_age_seconds\{service="gate"\} (.*)/.exec(text)?.[1]) > 0, 'as a metric')
    await server.request('PATCH', '/v1/services/gate', { json: { numWorkers: 1 } })
    await server.post('/v1/services/gate/resume')
    await server.logs.line('begun', { token: 'old' })
    t.ok(Date.parse((await oldest()) ?? '') >= Date.parse(first.createdAt), 'the second one')
    openGate('old')
    await server.finished(first.id)
    await becomes('no job to wait', async () => (await oldest()) === null)
  },
)

t.test('the payload of a job is answered as it was cast', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  const payload = { text: 'é\n"', list: [1, 2.5, null], 'odd key': {} }
  const { json: job } = await server.cast('echo', 'any', payload)
  const answer = await server.get(`/v1/jobs/${job.id}/payload`)
  t.equal(answer.status, 200)
  t.match(answer.headers['content-type'], /^application\/json/)
  t.strictSame(answer.json, payload)
  const { json: text } = await server.cast('echo', 'any', 'only text')
  t.strictSame((await server.get(`/v1/jobs/${text.id}/payload`)).text, '"only text"')
  isProblem(t, await server.get('/v1/jobs/nope/payload'), 'JOB_NOT_FOUND')
})

t.test('failed jobs are grouped by their errors', async (t) => {
  const server = await serve(t, { services: { fails: 'fails', echo: 'echo' } })
  const ids: string[] = []
  for (const method of ['throws', 'throws', 'throwsText']) {
    const { json } = await server.cast('fails', method, null, '?maxAttempts=1')
    await server.finished(json.id)
    ids.push(json.id)
  }
  const { status, json } = await server.get('/v1/failures')
  t.equal(status, 200)
  t.match(json.items, [
    { service: 'fails', method: 'throwsText', code: 'METHOD_FAILED', message: 'just text', count: 1 },
    { method: 'throws', name: 'RangeError', message: 'no such luck', count: 2, key: String, firstAt: String },
  ])
  t.equal(json.items[1].sampleJobId, ids[1])
  t.strictSame((await server.get('/v1/failures?service=echo')).json, { items: [] })
  const group = json.items[1]
  const listed = async (query: string) => (await server.get(`/v1/jobs?errorKey=${group.key}${query}`)).json.items
  t.equal((await listed('')).length, group.count)
  const [newest] = await listed(`&service=${group.service}&method=${group.method}&state=failed&limit=1`)
  t.ok(newest.createdAt <= group.lastAt)
  t.strictSame(await listed(`&since=${new Date(Date.parse(group.lastAt) + 1).toISOString()}`), [])
  t.strictSame(await listed(`&before=${encodeURIComponent('2026-01-31T12:00:00+01:00')}`), [])
  isProblem(t, await server.get('/v1/jobs?since=yesterday'), 'MALFORMED_QUERY')
  t.equal((await server.get('/v1/failures?limit=1')).json.items.length, 1)
  isProblem(t, await server.get('/v1/failures?limit=0'), 'MALFORMED_QUERY')
})
