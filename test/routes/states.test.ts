/** What a call, a cast and a start do in each state of a service: one test for each state. */
import t, { type Test } from 'tap'
import { type Answer, isProblem, letGo, serve } from '../http-helper.ts'

const start = (name: string) => `/v1/services/${name}/start`
const stop = (name: string) => `/v1/services/${name}/stop`
const soon = { headers: { 'request-timeout': '60ms' } }

const server = await serve(t, {
  services: {
    imports: 'waits-at-import',
    starts: 'waits-to-start',
    stops: 'waits-to-stop',
    echo: 'echo',
    gives: 'fails-to-start',
    cold: 'waits-at-import',
  },
  start: false,
})

/** The cast was accepted, and its job succeeds with this result. */
const runs = async (t: Test, cast: Answer, result: unknown) => {
  t.equal(cast.status, 202)
  t.match(await server.finished(cast.json.id), { state: 'succeeded', result, attempts: 1 })
}

t.test('not yet described: a call and a cast wait for the description, a second start joins the first', async (t) => {
  const first = server.post(start('imports'))
  await server.logs.line('waits at import', { service: 'imports' })
  t.equal(server.service('imports').state, 'starting')

  isProblem(t, await server.call('imports', 'go', {}, soon), 'DEADLINE_EXCEEDED', { service: 'imports' })
  isProblem(t, await server.post('/v1/services/imports/cast/go', {}, soon), 'DEADLINE_EXCEEDED')

  const call = server.call('imports', 'go')
  const cast = server.cast('imports', 'go')
  const second = server.post(start('imports'))
  await server.get('/livez')
  letGo('imports')
  t.equal((await cast).status, 202)
  t.match(await call, { status: 200, text: 'null' })
  t.match((await first).json, { state: 'running', changed: true })
  t.match((await second).json, { state: 'running', changed: false })
  t.match(await server.finished((await cast).json.id), { state: 'succeeded' })
})

t.test('starting: a call waits, a cast is accepted at once, a second start joins the first', async (t) => {
  const first = server.post(start('starts'))
  await server.logs.line('waits to start', { service: 'starts' })
  t.equal((await server.status('starts')).state, 'starting')

  isProblem(t, await server.call('starts', 'go', {}, soon), 'DEADLINE_EXCEEDED', { started: false, method: 'go' })
  const cast = await server.cast('starts', 'go')
  t.match(cast, { status: 202, json: { state: 'queued', attempts: 0 } })
  const call = server.call('starts', 'go')
  const second = server.post(start('starts'))
  await server.get('/livez')

  letGo('starts')
  t.equal((await call).status, 200)
  t.match((await first).json, { state: 'running', changed: true })
  t.match((await second).json, { state: 'running', changed: false })
  await runs(t, cast, 1)
})

t.test('running: a call runs, a cast is accepted, a start changes nothing', async (t) => {
  t.match((await server.post(start('echo'))).json, { state: 'running', changed: true })
  t.match(await server.call('echo', 'any', 1), { status: 200, json: 1 })
  await runs(t, await server.cast('echo', 'any', 2), 2)
  t.match((await server.post(start('echo'))).json, { state: 'running', changed: false })
})

t.test('paused: a call is refused, a cast is accepted, a start changes nothing', async (t) => {
  t.match((await server.post('/v1/services/echo/pause')).json, { state: 'paused', changed: true })
  isProblem(t, await server.call('echo', 'any', 1), 'SERVICE_NOT_RUNNING', { service: 'echo', started: false })
  const cast = await server.cast('echo', 'any', 'after the pause')
  t.match((await server.post(start('echo'))).json, { state: 'paused', changed: false })
  t.match((await server.get(`/v1/jobs/${cast.json.id}`)).json, { state: 'queued', attempts: 0 })
  t.match((await server.post('/v1/services/echo/resume')).json, { state: 'running', changed: true })
  await runs(t, cast, 'after the pause')
})

t.test('stopping: a call is refused, a cast is accepted, a start waits for the stop', async (t) => {
  await server.post(start('stops'))
  const stopped = server.post(stop('stops'))
  await server.logs.line('waits to stop', { service: 'stops' })
  t.equal((await server.status('stops')).state, 'stopping')

  isProblem(t, await server.call('stops', 'go'), 'SERVICE_NOT_RUNNING', { service: 'stops', started: false })
  const cast = await server.cast('stops', 'go')
  const started = server.post(start('stops'))
  await server.get('/livez')
  letGo('stops')
  t.match(await stopped, { status: 200, json: { changed: true } })
  t.match(await started, { status: 200, json: { state: 'running', changed: true } })
  await runs(t, cast, 1)
  const again = server.post(stop('stops'))
  await server.logs.line('waits to stop', { service: 'stops' }, 2)
  letGo('stops')
  await again
})

t.test('stopped: a call is refused, a cast is accepted, a start starts the service', async (t) => {
  t.match((await server.post(stop('echo'))).json, { state: 'stopped', changed: true })
  isProblem(t, await server.call('echo', 'any', 1), 'SERVICE_NOT_RUNNING', { service: 'echo', started: false })
  const cast = await server.cast('echo', 'any', 'after the start')
  t.match((await server.get(`/v1/jobs/${cast.json.id}`)).json, { state: 'queued', attempts: 0 })
  t.match((await server.post(start('echo'))).json, { state: 'running', changed: true })
  await runs(t, cast, 'after the start')
})

t.test('stopped and never described: a call is refused, a cast waits for the description', async (t) => {
  isProblem(t, await server.call('cold', 'go'), 'SERVICE_NOT_RUNNING', { service: 'cold', started: false })
  const cast = server.cast('cold', 'go')
  const second = server.cast('cold', 'go')
  await server.logs.line('waits at import', { service: 'cold' })
  letGo('cold')
  t.match(await cast, { status: 202, json: { state: 'queued' } })
  t.match(await second, { status: 202, json: { state: 'queued' } })
  t.match(await server.status('cold'), { state: 'stopped', desiredState: 'running', methods: ['go'] })
})

t.test('backoff: a call waits, a cast is accepted, a start does not wait for the backoff', async (t) => {
  await server.post(start('gives'))
  await server.post('/v1/services/gives/crash')
  await server.reaches('gives', 'backoff')
  isProblem(t, await server.call('gives', 'go', {}, soon), 'DEADLINE_EXCEEDED', { started: false })
  const call = server.call('gives', 'go')
  const cast = await server.cast('gives', 'go')
  t.match((await server.post(start('gives'))).json, { state: 'running', changed: true, crashReason: null })
  t.match(await call, { status: 200, json: 'went' })
  await runs(t, cast, 'went')
})

t.test('failed: a call is refused, a cast is accepted, a start has a full budget', async (t) => {
  const restart = { maxRestarts: 1, backoffMs: 1, backoffMaxMs: 1 }
  await server.put('frail', { module: 'echo.js', restart })
  await server.post('/v1/services/frail/crash', { reason: 'the first' })
  await server.restarted('frail', 1)
  t.match(await server.status('frail'), { restartCount: 1, restartBudget: { maxRestarts: 1, remaining: 0 } })
  await server.post('/v1/services/frail/crash', { reason: 'the second' })
  await server.reaches('frail', 'failed')
  t.match(await server.status('frail'), { desiredState: 'running', crashReason: { message: 'the second' } })

  isProblem(t, await server.call('frail', 'any'), 'SERVICE_NOT_RUNNING', { service: 'frail', started: false })
  const cast = await server.cast('frail', 'any', 1)
  t.match((await server.post(start('frail'))).json, {
    state: 'running',
    changed: true,
    crashReason: null,
    restartBudget: { remaining: 1 },
  })
  await runs(t, cast, 1)
})

t.test('a call that waits for a start is refused when the start fails for good', async (t) => {
  process.env.FAILS_TO_START = 'not today'
  t.teardown(() => delete process.env.FAILS_TO_START)
  await server.put('doomed', { module: 'gives.js', autostart: false, restart: { maxRestarts: 0 } })
  const starting = server.post(start('doomed'))
  const call = server.call('doomed', 'go')
  isProblem(t, await starting, 'START_FAILED', {
    service: 'doomed',
    error: { name: 'Error', message: 'could not start: not today' },
  })
  isProblem(t, await call, 'SERVICE_NOT_RUNNING')
  t.match(await server.status('doomed'), { state: 'failed', crashReason: { message: 'could not start: not today' } })
})

t.test('crashReason stays until the next successful start', async (t) => {
  process.env.FAILS_TO_START = 'again'
  const failed = await server.post(start('doomed'))
  isProblem(t, failed, 'START_FAILED', { error: { name: 'Error', message: 'could not start: again' } })
  t.match(await server.status('doomed'), { state: 'failed', crashReason: { message: 'could not start: again' } })
  delete process.env.FAILS_TO_START
  t.match((await server.post(start('doomed'))).json, { state: 'running', changed: true, crashReason: null })
})
