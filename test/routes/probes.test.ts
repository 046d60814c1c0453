/** Health probes. */
import t from 'tap'
import { letGo, serve } from '../http-helper.ts'

t.test('all probes answer 200, and ?verbose lists their checks', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  for (const [path, names] of [
    ['/livez', ['eventLoop']],
    ['/readyz', ['open', 'journal']],
    ['/startupz', ['startedUp']],
  ] as const) {
    t.match(await server.get(path), { status: 200, text: '{"status":"ok"}', headers: { 'cache-control': 'no-store' } })
    const checks = names.map((name) => ({ name, ok: true }))
    for (const query of ['?verbose', '?verbose=', '?verbose=true', '?verbose=1', '?verbose=yes', '?verbose&verbose']) {
      t.same((await server.get(path + query)).json, { status: 'ok', checks }, path + query)
    }
    t.same((await server.get(`${path}?verbose=false`)).json, { status: 'ok' })
    t.equal((await server.request('HEAD', path)).status, 200)
  }
})

t.test('startupz is 503 until every autostarted service has started or failed; livez and readyz are 200', async (t) => {
  const server = await serve(t, {
    services: { starts: 'waits-to-start', lazy: 'not-by-itself', throws: 'throws-at-import' },
    start: false,
  })
  const started = server.server.registry.startAll()
  await server.logs.line('waits to start')
  t.match(await server.get('/startupz?verbose'), {
    status: 503,
    json: { status: 'unavailable', checks: [{ name: 'startedUp', ok: false }] },
  })
  t.equal((await server.get('/livez')).status, 200)
  t.equal((await server.get('/readyz')).status, 200)
  letGo('starts')
  await started
  t.equal((await server.get('/startupz')).status, 200)
  t.match(await server.status('lazy'), { state: 'stopped', desiredState: 'stopped', methods: ['go'] })
})

t.test('readyz is 503 while a required service does not run, and ignores other services', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  await server.put('needed', { module: 'echo.js', required: true })
  const needed = { name: 'service needed', ok: true }
  t.match(await server.get('/readyz?verbose'), {
    status: 200,
    json: { checks: [{ name: 'open' }, { name: 'journal' }, needed] },
  })

  await server.post('/v1/services/echo/stop')
  t.equal((await server.get('/readyz')).status, 200)
  await server.post('/v1/services/needed/stop')
  t.match(await server.get('/readyz?verbose'), {
    status: 503,
    json: {
      status: 'unavailable',
      checks: [
        { name: 'open', ok: true },
        { name: 'journal', ok: true },
        { ...needed, ok: false },
      ],
    },
  })
  await server.post('/v1/services/needed/start')
  t.equal((await server.get('/readyz')).status, 200)
})
