/** Schedules over HTTP. Their times are tested in `test/jobs/schedules.test.ts`. */
import t from 'tap'
import { isProblem, letGo, serve } from '../http-helper.ts'

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
  const run = await server.post('/v1/services/refines/schedules/a/run')
  t.match(await server.finished(run.json.id), { state: 'succeeded', result: 2 })
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
