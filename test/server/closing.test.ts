/** How a server closes: what it finishes, what it refuses, and what it leaves behind. */
import { join } from 'node:path'
import t from 'tap'
import { buildServer } from '../../src/server/build-server.ts'
import { isProblem, letGo, Logs, openGate, request, serve } from '../http-helper.ts'

t.test('a closing server finishes running methods, refuses new work, and answers waiting clients', async (t) => {
  const closing = await serve(t, { services: { gate: 'gate', stops: 'waits-to-stop' } })
  const held = closing.call('gate', 'hold', { token: 'held' })
  await closing.logs.line('begun', { token: 'held' })
  const { json: running } = await closing.cast('gate', 'hold', { token: 'cast' })
  await closing.logs.line('begun', { token: 'cast' })
  const { json: later } = await closing.cast('gate', 'nap', {}, '?delayMs=3600000')
  const wait = { headers: { prefer: 'wait=60' } }
  // The server closes connections without a request, so wait until both requests have arrived.
  const arrived = new Promise<void>((resolve) => {
    let waits = 0
    closing.server.app.server.on('request', ({ headers }) => {
      if (headers.prefer !== undefined && ++waits === 2) resolve()
    })
  })
  const waiting = closing.get(`/v1/jobs/${later.id}`, wait)
  const following = closing.get(`/v1/jobs/${running.id}`, wait)
  await arrived
  await closing.get('/livez')

  const closed = closing.close()
  t.match((await waiting).json, { state: 'scheduled' }, 'a client that waits gets the job as it is, at once')
  t.match((await following).json, { state: 'running' }, 'also if the job runs')
  await closing.logs.line('waits to stop')
  isProblem(t, await closing.call('gate', 'nap'), 'SHUTTING_DOWN')
  isProblem(t, await closing.cast('gate', 'nap'), 'SHUTTING_DOWN')
  isProblem(t, await closing.post('/v1/services/gate/start'), 'SHUTTING_DOWN')
  isProblem(t, await closing.put('new', { module: 'gate.js' }), 'SHUTTING_DOWN')
  t.match(await closing.get('/readyz?verbose'), { status: 503, json: { checks: [{ name: 'open', ok: false }] } })
  t.equal((await closing.get('/livez')).status, 200)
  t.match((await closing.get('/v1/services/gate')).json, { state: 'stopping', queue: { running: 2 } })

  openGate('held')
  openGate('cast')
  t.match(await held, { status: 200, json: 'held' })
  letGo('stops')
  await closed
  await t.rejects(request(closing.port, 'GET', '/livez'), { code: 'ECONNREFUSED' })
})

t.test('a server closes while its services start, are described, back off, or have failed', async (t) => {
  const closing = await serve(t, {
    services: {
      starts: 'waits-to-start',
      imports: 'waits-at-import',
      loops: 'loops-at-import',
      gives: 'fails-to-start',
      throws: 'throws-at-import',
      undescribed: 'waits-at-import',
    },
    start: false,
  })
  const pending = ['starts', 'imports', 'loops'].map((name) => closing.post(`/v1/services/${name}/start`))
  const cast = closing.cast('undescribed', 'go')
  await closing.post('/v1/services/gives/start')
  await closing.post('/v1/services/gives/crash')
  await closing.reaches('gives', 'backoff')
  isProblem(t, await closing.post('/v1/services/throws/start'), 'START_FAILED')
  await closing.logs.line('waits to start')
  await closing.logs.line('waits at import', { service: 'imports' })
  await closing.logs.line('waits at import', { service: 'undescribed' })
  await closing.close()
  for (const answer of await Promise.all(pending))
    isProblem(t, answer, 'CONFLICT', { detail: /stopped while it started/ })
  isProblem(t, await cast, 'SERVICE_NOT_RUNNING')
})

t.test('a server that cannot be built leaves the data folder unlocked', async (t) => {
  const folder = t.testdir({ data: {}, workers: {} })
  const [data, workers] = [join(folder, 'data'), join(folder, 'workers')]
  const { logger: log } = new Logs()
  await t.rejects(buildServer({ workers: '/nowhere', data, log }), { message: /workers folder \/nowhere/ })
  const { app } = await buildServer({ workers, data, log })
  await app.close()
})
