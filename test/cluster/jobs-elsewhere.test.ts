/** Jobs that run on another node than the one that a client asks: their progress, their end, and what is done to them. */
import t from 'tap'
import { becomes, openGate, type TestServer } from '../http-helper.ts'
import { Members } from './members.ts'
import { noPostgres } from './postgres.ts'

t.test('a client of one node does not see that its jobs run on another', { skip: noPostgres }, async (t) => {
  const members = await Members.start(t)
  const services = { gate: 'gate', faults: 'faults' }
  const runner = await members.join('runner', { services, labels: { runs: 'yes' } })
  const asked = await members.join('asked', { services })
  for (const service of Object.keys(services)) {
    const placement = { labels: { runs: 'yes' } }
    t.equal((await asked.request('PATCH', `/v1/services/${service}`, { json: { placement } })).status, 200)
    await becomes('it runs on one node only', () => asked.service(service).state === 'stopped')
  }
  const jobOf = async (server: TestServer, id: string) => (await server.get(`/v1/jobs/${id}`)).json

  await t.test('progress', async (t) => {
    const { json: job } = await asked.cast('gate', 'progress', { token: 'progress' })
    await becomes('its progress to be seen', async () => (await jobOf(asked, job.id)).progress !== null)
    t.match(await jobOf(asked, job.id), { state: 'running', attempts: 1, progress: { fraction: Number } })
    openGate('progress')
    t.match(await asked.finished(job.id), {
      state: 'succeeded',
      node: 'runner',
      history: [{ number: 1, node: 'runner' }],
    })
  })

  await t.test('an attempt that waits for its turn in a thread is queued', async (t) => {
    const blockers = Array.from({ length: 8 }, (_, at) => `blocks ${at}`)
    for (const token of blockers) await asked.cast('gate', 'hold', { token })
    await runner.running('gate', 8)
    const { json: waiting } = await asked.cast('gate', 'hold', { token: 'waits' })
    t.match(await jobOf(asked, waiting.id), { state: 'queued', attempts: 0 })
    for (const token of [...blockers, 'waits']) openGate(token)
    await asked.finished(waiting.id)
  })

  await t.test('its end, for calls that are kept as jobs', async (t) => {
    const call = asked.call('gate', 'hold', { token: 'call' }, { headers: { 'idempotency-key': '"one"' } })
    await runner.logs.line('begun', { token: 'call' })
    openGate('call')
    t.match(await call, { status: 200, json: 'call' })
  })

  await t.test('it is cancelled', async (t) => {
    const { json: job } = await asked.cast('gate', 'hold', { token: 'cancelled' })
    await runner.logs.line('begun', { token: 'cancelled' })
    t.match(await asked.post(`/v1/jobs/${job.id}/cancel`), { status: 200 })
    t.match(await asked.finished(job.id), { state: 'cancelled' })
    await runner.logs.line('aborted', { token: 'cancelled' })
    t.match(await runner.post(`/v1/jobs/${job.id}/cancel`), { status: 200 }, 'again')
  })

  await t.test('failures are grouped, counted and retried', async (t) => {
    const { json: job } = await asked.cast('faults', 'throws', {}, '?maxAttempts=1')
    t.match(await asked.finished(job.id), { state: 'failed', attempts: 1 })
    for (const server of [asked, runner]) {
      t.match((await server.get('/v1/failures')).json.items, [{ service: 'faults', method: 'throws', count: 1 }])
    }
    const retry = { action: 'retry', filter: { service: 'faults', state: 'failed' } }
    t.match((await asked.post('/v1/jobs/bulk', retry)).json, { matched: 1, changed: 1, remaining: 0 })
    await becomes('the second attempt', async () => (await jobOf(asked, job.id)).attempts === 2)
    const history = [
      { number: 1, node: 'runner' },
      { number: 2, node: 'runner' },
    ]
    for (const server of [asked, runner])
      t.match(await server.finished(job.id), { state: 'failed', node: 'runner', history })
  })
})
