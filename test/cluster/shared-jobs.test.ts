/** Jobs of several servers: waited for and cancelled wherever they run, taken up from a node that has gone, cast once. */
import t, { type Test } from 'tap'
import { becomes, openGate, type TestServer } from '../http-helper.ts'
import { Process, workersFolder } from '../process-helper.ts'
import { Members } from './members.ts'
import { freePort } from '../free-port.ts'
import { noPostgres } from './postgres.ts'

const options = { skip: noPostgres }
const LEASE_MS = 2_000
const services = { gate: 'gate', echo: 'echo' }

/** A node in a process of its own, which can be killed and stopped. */
async function child(t: Test, members: Members): Promise<Process> {
  const process = new Process(t, workersFolder(services), ['serve', 'workers', '--no-supervise'], {
    THREADPLANE_DATABASE_URL: members.postgres.url,
    THREADPLANE_DATABASE_SCHEMA: members.schema,
    THREADPLANE_UNSAFE_DATABASE: 'true',
    THREADPLANE_NODE_NAME: 'child',
    THREADPLANE_NODE_PORT: String(await freePort()),
    THREADPLANE_LEASE: `${LEASE_MS}ms`,
  })
  await process.logs(/^services: .*gate running/)
  return process
}

const begun = (server: TestServer, token: string) => server.logs.line('begun', { token })

for (const hints of [true, false]) {
  t.test(`a job of another node is waited for and cancelled, hints ${hints}`, options, async (t) => {
    const members = await Members.start(t)
    const a = await members.join('a', { services, hints, labels: { runs: 'gate' } })
    await a.request('PATCH', '/v1/services/gate', { json: { placement: { labels: { runs: 'gate' } } } })
    const b = await members.join('b', { services, hints })
    const { json: held } = await a.cast('gate', 'hold', { token: `held ${hints}` })
    await begun(a, `held ${hints}`)
    const finished = b.finished(held.id)
    openGate(`held ${hints}`)
    t.match(await finished, { state: 'succeeded', attempts: 1 })
    const { json: unwanted } = await a.cast('gate', 'hold', { token: `unwanted ${hints}` })
    await begun(a, `unwanted ${hints}`)
    t.equal((await b.post(`/v1/jobs/${unwanted.id}/cancel`)).status, 200)
    t.match(await b.finished(unwanted.id), { state: 'cancelled' })
    await a.post('/v1/services/gate/pause')
    const { json: queued } = await a.cast('gate', 'hold', { token: 'queued' })
    const ended = a.finished(queued.id)
    t.match((await b.post(`/v1/jobs/${queued.id}/cancel`)).json, { state: 'cancelled' })
    t.match(await ended, { state: 'cancelled' })
  })
}

t.test('the jobs of a node that is killed are taken up', options, async (t) => {
  const members = await Members.start(t)
  const other = await child(t, members)
  const json = { token: 'of the killed' }
  const { json: job } = await other.request('POST', '/v1/services/gate/cast/hold', { json })
  await other.logs(/^begun$/)
  const { json: last } = await other.request('POST', '/v1/services/gate/cast/stubborn?maxAttempts=1', {
    json: { token: 'the last attempt' },
  })
  await other.logs(/^begun$/, 2)
  // Before, it might have run the job itself.
  const a = await members.join('a', { services, leaseMs: LEASE_MS })
  t.match((await a.get(`/v1/jobs/${job.id}`)).json, { state: 'running', attempts: 1 })
  other.child.kill('SIGKILL')
  const killedAt = performance.now()
  await begun(a, 'of the killed')
  t.comment(`taken up ${Math.round(performance.now() - killedAt)} ms after the kill, with a lease of ${LEASE_MS} ms`)
  t.strictSame(await members.names(), ['a'])
  t.match(await a.finished(last.id), { state: 'failed', error: { reason: 'SERVER_ENDED' } })
  const events = await a.get('/v1/events?type=job.failed', { headers: { accept: 'application/json' } })
  t.match(events.json, { items: [{ job: { id: last.id, attempts: 1 }, error: { code: 'THREAD_DIED' } }] })
  openGate('of the killed')
  t.match(await a.finished(job.id), {
    state: 'succeeded',
    attempts: 2,
    history: [{ error: { reason: 'SERVER_ENDED' } }, {}],
  })
})

t.test('a frozen node is taken over, and its late outcome is refused', options, async (t) => {
  const members = await Members.start(t)
  const other = await child(t, members)
  const json = { token: 'of the frozen' }
  const { json: job } = await other.request('POST', '/v1/services/gate/cast/stubborn', { json })
  await other.logs(/^begun$/)
  const a = await members.join('a', { services, leaseMs: LEASE_MS })
  other.child.kill('SIGSTOP')
  await begun(a, 'of the frozen')
  other.child.kill('SIGCONT')
  await other.logs(/taken for gone/)
  await other.request('POST', '/v1/services/gate/call/release', { json })
  t.match((await a.get(`/v1/jobs/${job.id}`)).json, { state: 'running', attempts: 2 }, 'its outcome changes nothing')
  openGate('of the frozen')
  t.match(await a.finished(job.id), { state: 'succeeded', attempts: 2 })
  await becomes('its return', async () => (await members.names()).length === 2)
})

t.test('a node that stops gives back what it has not begun', options, async (t) => {
  const members = await Members.start(t)
  const a = await members.join('a', { services })
  const tokens = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']
  const jobs = await Promise.all(tokens.map(async (token) => (await a.cast('gate', 'hold', { token })).json))
  await a.logs.line('begun', {})
  const b = await members.join('b', { services })
  const closed = a.close()
  const hasBegun = (token: string) => [a, b].some(({ logs }) => logs.has('begun', { token }))
  await becomes('all to begin', () => tokens.every(hasBegun))
  for (const token of tokens) openGate(token)
  await closed
  const ended = await Promise.all(jobs.map(({ id }) => b.finished(id)))
  for (const job of ended) t.match(job, { state: 'succeeded', attempts: 1 })
})

t.test('a schedule of every second on three nodes: each tick casts one job', options, async (t) => {
  const members = await Members.start(t)
  const a = await members.join('a')
  await members.join('b')
  await members.join('c')
  const path = '/v1/services/echo/schedules/often'
  const put = await a.request('PUT', path, { json: { cron: '* * * * * *', method: 'any', payload: 'tick' } })
  t.equal(put.status, 201)
  const jobs = async () => (await a.get('/v1/jobs?service=echo&limit=100')).json.items as object[]
  await becomes('five ticks', async () => (await jobs()).length >= 5)
  await a.delete(path)
  const { length } = await jobs()
  const [row] = await members.postgres.query<{ count: string; seconds: string }>(
    `SELECT count(*) AS count, count(DISTINCT created_at / 1000) AS seconds FROM ${members.schema}.jobs`,
  )
  t.ok(Number(row?.seconds) >= length - 1, 'no two jobs of one tick')
})

t.test('100 requests with the same idempotency key over two nodes make one job', options, async (t) => {
  const members = await Members.start(t)
  const two = [await members.join('a'), await members.join('b')]
  const headers = { 'idempotency-key': '"once"' }
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      (two[n % 2] as TestServer).post('/v1/services/echo/cast/any', { n: 1 }, { headers }),
    ),
  )
  for (const { status } of answers) if (status !== 202) t.fail(`status ${status}`)
  t.equal(new Set(answers.map(({ json }) => json.id)).size, 1)
  const [row] = await members.postgres.query<{ count: string }>(`SELECT count(*) AS count FROM ${members.schema}.jobs`)
  t.equal(Number(row?.count), 1)
})
