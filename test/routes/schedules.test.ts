/** Schedules over HTTP. Their times are tested in `test/jobs/schedules.test.ts`. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { becomes, isProblem, letGo, serve } from '../http-helper.ts'

const server = await serve(t, { services: { refines: 'refines', late: 'waits-at-import' }, start: false })
await server.post('/v1/services/refines/start')
const put = (spec: object, name = 'a', service = 'refines') =>
  server.request('PUT', `/v1/services/${service}/schedules/${name}`, {
    json: { cron: '0 3 * * *', method: 'even', payload: { n: 2 }, ...spec },
  })

t.test('a schedule is created, replaced, listed, run and deleted', async (t) => {
  t.match(await put({}), { status: 201, json: { name: 'a', timezone: 'UTC', payload: { n: 2 }, lastRunAt: null } })
  t.match(await put({ timezone: 'Europe/Vienna' }), { status: 200, json: { timezone: 'Europe/Vienna' } })
  t.match((await server.get('/v1/services/refines/schedules')).json, { items: [{ name: 'a' }] })
  await put({ cron: '0 3 1 1 *' }, 'yearly')
  const { json: all } = await server.get('/v1/schedules')
  t.match(all.items, [{ service: 'refines', name: 'a' }, { name: 'yearly' }], 'the next tick is first')
  t.notOk('payload' in all.items[0], 'without payloads')
  await server.delete('/v1/services/refines/schedules/yearly')
  const run = await server.post('/v1/services/refines/schedules/a/run')
  t.match(await server.finished(run.json.id), { state: 'succeeded', result: 2, schedule: 'a' })
  t.equal((await server.delete('/v1/services/refines/schedules/a')).status, 204)
  isProblem(t, await server.get('/v1/services/refines/schedules/a'), 'SCHEDULE_NOT_FOUND')
})

t.test('an invalid schedule is refused, with a pointer into the request', async (t) => {
  for (const [spec, pointer] of [
    [{ payload: { n: 'x' } }, '/payload/n'],
    [{ payload: 1 }, '/payload'],
    [{ timezone: 'Mars' }, '/timezone'],
    [{ cron: 'daily' }, '/cron'],
    [{ cron: '* * * *' }, '/cron'],
    [{ cron: '0 0 3 * * * 2030' }, '/cron'],
    [{ cron: '2030-01-01T00:00:00' }, '/cron'],
    [{ cron: 'Jan 1 2030 00:00:00 UTC' }, '/cron'],
    [{ cron: '2030-01-01T00:00:00 a b c d' }, '/cron'],
    [{ cron: '0 0 31 2 *' }, '/cron'],
  ] as const) {
    const { json } = await put(spec)
    t.match(json, { code: 'VALIDATION_FAILED', errors: [{ pointer, message: String }] }, JSON.stringify(spec))
  }
  isProblem(t, await put({ method: 'odd' }), 'METHOD_NOT_FOUND')
  for (const cron of ['@daily', '0 0 3 * * *']) t.match(await put({ cron }, 'fine'), { json: { cron } })
})

t.test('PUT waits for the description of the service', async (t) => {
  const waiting = put({ method: 'go' }, 'a', 'late')
  await server.logs.line('waits at import')
  letGo('late')
  t.match(await waiting, { status: 201, json: { service: 'late', method: 'go' } })
})

t.test('a large payload is refused', async (t) => {
  isProblem(t, await put({ payload: { n: 2, text: 'x'.repeat(1024 * 1024) } }), 'PAYLOAD_TOO_LARGE')
})

t.test('the schedules of a service that is gone are seen and deleted, and delay no start', async (t) => {
  const first = await serve(t, { services: { echo: 'echo', refines: 'refines' } })
  const schedule = (service: string) => `/v1/services/${service}/schedules/often`
  for (const [service, method, payload] of [
    ['echo', 'any', 1],
    ['refines', 'even', { n: 2 }],
  ] as const) {
    const json = { cron: '* * * * * *', method, payload }
    t.equal((await first.request('PUT', schedule(service), { json })).status, 201)
  }
  await first.close()
  rmSync(join(first.workers, 'echo.js'))
  const second = await serve(t, { services: {}, folder: first.folder })
  const gone = { name: 'often', payload: 1, nextRunAt: null, error: { code: 'SERVICE_NOT_FOUND' } }
  t.match(await second.get('/v1/services/echo/schedules'), { status: 200, json: { items: [gone] } })
  t.match(await second.get(schedule('echo')), { status: 200, json: gone })
  await second.logs.line('a schedule cannot run: change or delete it', { service: 'echo', schedule: 'often' })
  await becomes(
    'the other schedule to run',
    async () => (await second.get('/v1/jobs?service=refines')).json.items.length > 0,
  )
  isProblem(
    t,
    await second.request('PUT', schedule('echo'), { json: { cron: '@daily', method: 'any' } }),
    'SERVICE_NOT_FOUND',
  )
  t.equal((await second.delete(schedule('echo'))).status, 204)
  isProblem(t, await second.get('/v1/services/echo/schedules'), 'SERVICE_NOT_FOUND')
})
