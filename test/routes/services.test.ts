/** Listing, registering, replacing and deleting services. */
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isProblem, serve } from '../http-helper.ts'

const server = await serve(t, { services: { echo: 'echo', gate: 'gate', gives: 'fails-to-start' }, start: false })

t.test('a service is registered with 201, and replaced with 200', async (t) => {
  const first = await server.put('new', { module: 'echo.js' })
  t.match(first, { status: 201, json: { name: 'new', module: 'echo.js', state: 'running', desiredState: 'running' } })
  const before = first.json.threads[0].id
  const second = await server.put('new', { module: 'gate.js', threads: 2 })
  t.match(second, { status: 200, json: { name: 'new', module: 'gate.js', state: 'running', threads: { length: 2 } } })
  t.notOk(second.json.threads.some(({ id }: { id: number }) => id === before))
  t.match(await server.call('new', 'nap'), { status: 200 })
  isProblem(t, await server.call('new', 'any'), 'METHOD_NOT_FOUND')
})

t.test('services are listed by name, with their status', async (t) => {
  const { json } = await server.get('/v1/services')
  t.match(json, {
    items: [{ name: 'echo', state: 'stopped' }, { name: 'gate' }, { name: 'gives' }, { name: 'new', state: 'running' }],
  })
})

t.test('methods are listed with the JSON Schemas of their payloads and results', async (t) => {
  await server.put('listed', { module: 'echo.js' })
  const { json } = await server.get('/v1/services/listed/methods')
  const method = (name: string) => json.items.find((item: { name: string }) => item.name === name)
  t.match(method('byName'), {
    description: 'Takes members',
    input: {
      type: 'object',
      properties: { name: { type: 'string' }, times: { type: 'integer', minimum: 1, default: 1 } },
    },
    output: { type: 'string' },
    timeoutMs: 30_000,
    maxAttempts: 3,
    backoffMs: 1_000,
    backoffMaxMs: 60_000,
    priority: 5,
  })
  t.match(method('any'), { input: null, output: null })
  t.same(
    (await server.get('/v1/services/gate/methods')).json,
    { items: [], config: null },
    'the module has not described itself',
  )
})

t.test('each option of the registration overrides the option of the module', async (t) => {
  const { json } = await server.put('overridden', {
    module: 'echo.js',
    maxResultBytes: 5,
    queueCapacity: 7,
    restart: { maxRestarts: 3 },
  })
  t.match(json, { queue: { capacity: 7 }, restartBudget: { maxRestarts: 3 } })
  isProblem(t, await server.call('overridden', 'sized', 9), 'RESULT_NOT_SERIALIZABLE', { detail: /5 bytes/ })
  await server.put('overridden', { module: 'echo.js' })
  t.match(await server.call('overridden', 'sized', 9), { status: 200 })
})

t.test('an option that is unknown or wrong is refused with a pointer, and nothing is registered', async (t) => {
  for (const [options, pointer] of [
    [{ nonsense: 1 }, '/nonsense'],
    [{ threads: 0 }, '/threads'],
    [{ threads: '2' }, '/threads'],
    [{ autostart: 'yes' }, '/autostart'],
    [{ restart: { nonsense: 1 } }, '/restart/nonsense'],
    [{ restart: { strategy: 'crashing' } }, '/restart/strategy'],
    [{ restart: { group: 'a b' } }, '/restart/group'],
    [{ limits: { maxOldGenerationSizeMb: 0 } }, '/limits/maxOldGenerationSizeMb'],
    [{ startTimeoutMs: 2 ** 31 }, '/startTimeoutMs'],
    [{ module: 1 }, '/module'],
    [{ module: '' }, '/module'],
  ] as const) {
    isProblem(t, await server.put('refused', { module: 'echo.js', ...options }), 'VALIDATION_FAILED', {
      errors: [{ pointer }],
    })
  }
  isProblem(t, await server.put('refused', {}), 'VALIDATION_FAILED', { errors: [{ pointer: '/module' }] })
  for (const body of [[], null, 'echo.js', 1]) isProblem(t, await server.put('refused', body), 'VALIDATION_FAILED')
  isProblem(t, await server.request('PUT', '/v1/services/refused'), 'VALIDATION_FAILED')
  isProblem(t, await server.get('/v1/services/refused'), 'SERVICE_NOT_FOUND')
})

t.test('PUT refuses an invalid name', async (t) => {
  for (const name of ['a b', 'a/b', '-a', '.a', 'ü', '', ' ', 'a'.repeat(64), 'a'.repeat(3_000), '..', 'a\n']) {
    if (name === '') continue
    isProblem(
      t,
      await server.put(encodeURIComponent(name).replace('..', '%2e%2e%20'), { module: 'echo.js' }),
      'VALIDATION_FAILED',
      {
        errors: [{ pointer: '', message: /does not match/ }],
      },
    )
  }
  for (const name of ['a'.repeat(63), '_', 'a.b-c_d', '0']) {
    t.equal((await server.put(name, { module: 'echo.js', autostart: false })).status, 201, name)
    t.equal((await server.delete(`/v1/services/${name}`)).status, 204, name)
  }
})

t.test('a module is a file inside the modules folder; files outside are refused', async (t) => {
  const outside = join(server.folder, 'outside')
  mkdirSync(join(server.workers, 'folder'), { recursive: true })
  mkdirSync(outside)
  copyFileSync(join(server.workers, 'echo.js'), join(outside, 'echo.js'))
  copyFileSync(join(server.workers, 'echo.js'), join(server.workers, 'folder', '_hidden.js'))
  mkdirSync(join(server.workers, 'folder.js'))
  writeFileSync(join(server.workers, 'types.d.ts'), 'export {}')
  writeFileSync(join(server.workers, 'text.txt'), '')
  symlinkSync(join(outside, 'echo.js'), join(server.workers, 'link-out.js'))
  symlinkSync(outside, join(server.workers, 'folder-out'))
  symlinkSync(join(server.workers, 'echo.js'), join(server.workers, 'link-in.js'))
  symlinkSync('nowhere.js', join(server.workers, 'dangling.js'))

  for (const [module, detail] of [
    ['../outside/echo.js', /outside the workers folder/],
    ['folder/../../outside/echo.js', /outside the workers folder/],
    ['link-out.js', /outside the workers folder/],
    ['folder-out/echo.js', /outside the workers folder/],
    [join(server.workers, 'echo.js'), /relative to the workers folder/],
    ['file:///etc/passwd.js', /does not exist/],
    ['https://example.com/a.js', /does not exist/],
    ['data:text/javascript,1.js', /does not exist/],
    ['missing.js', /does not exist/],
    ['dangling.js', /does not exist/],
    ['folder.js', /is not a file/],
    ['types.d.ts', /is not a \.js, \.mjs, \.cjs, \.ts or \.mts file/],
    ['text.txt', /is not a \.js/],
    ['echo', /is not a \.js/],
    ['node:fs', /is not a \.js/],
    ['.', /is not a \.js/],
    ['echo.js\0.js', /relative to the workers folder/],
    ['echo.js/', /is not a \.js/],
    ['echo.js/x.js', /does not exist/],
    ['node_modules/package/index.js', /is in node_modules: .*holds no services/],
    ['folder/node_modules/index.mjs', /is in node_modules/],
    ['./folder/../node_modules/package/index.js', /is in node_modules/],
    ['_private.mjs', /is in _private.mjs/],
    ['_helpers/inner/echo.js', /is in _helpers/],
    ['folder/_hidden.js', /is in _hidden.js/],
    ['.git/hooks/echo.js', /is in .git/],
    ['.hidden.js', /is in .hidden.js/],
  ] as const) {
    isProblem(t, await server.put('refused', { module }), 'MODULE_REFUSED', { detail })
  }
  isProblem(t, await server.get('/v1/services/refused'), 'SERVICE_NOT_FOUND')
  for (const module of ['link-in.js', './echo.js', 'folder/../echo.js', '_x/../echo.js']) {
    t.match(await server.put('taken', { module, autostart: false }), { json: { module } }, module)
  }
})

t.test('a refused replacement changes nothing', async (t) => {
  await server.put('stays', { module: 'echo.js' })
  isProblem(t, await server.put('stays', { module: 'missing.js' }), 'MODULE_REFUSED')
  isProblem(t, await server.put('stays', { module: 'echo.js', nonsense: 1 }), 'VALIDATION_FAILED')
  t.match(await server.call('stays', 'any', 1), { json: 1 })
})

t.test('a registration whose start fails is kept, with the crashReason', async (t) => {
  process.env.FAILS_TO_START = 'for a test'
  const put = await server.put('kept', { module: 'gives.js' })
  delete process.env.FAILS_TO_START
  t.match(put, {
    status: 201,
    json: {
      state: 'backoff',
      desiredState: 'running',
      crashReason: { name: 'Error', message: 'could not start: for a test' },
    },
  })
  t.match(await server.status('kept'), { state: 'backoff' })
  t.match(await server.put('kept', { module: 'gives.js' }), {
    status: 200,
    json: { state: 'running', crashReason: null },
  })
})

t.test('a deleted service is gone, although its file exists', async (t) => {
  t.match(await server.delete('/v1/services/listed'), { status: 204, text: '' })
  isProblem(t, await server.get('/v1/services/listed'), 'SERVICE_NOT_FOUND')
  isProblem(t, await server.call('listed', 'any'), 'SERVICE_NOT_FOUND')
  isProblem(t, await server.delete('/v1/services/listed'), 'SERVICE_NOT_FOUND')
})

t.test('a service with unfinished jobs is deleted only with cancelJobs=true', async (t) => {
  await server.put('working', { module: 'gate.js', numWorkers: 1 })
  const { json: running } = await server.cast('working', 'hold', { token: 'working' })
  await server.logs.line('begun', { token: 'working' })
  const { json: queued } = await server.cast('working', 'nap')
  const { json: scheduled } = await server.cast('working', 'nap', {}, '?delayMs=3600000')
  const detail = /3 unfinished jobs.*cancelJobs=true/
  isProblem(t, await server.delete('/v1/services/working'), 'CONFLICT', { service: 'working', detail })
  isProblem(t, await server.delete('/v1/services/working?cancelJobs=false'), 'CONFLICT')
  isProblem(t, await server.delete('/v1/services/working?cancelJobs=perhaps'), 'MALFORMED_QUERY')
  t.match(await server.status('working'), { state: 'running' })
  t.equal((await server.delete('/v1/services/working?cancelJobs=true')).status, 204)
  for (const { id } of [running, queued, scheduled]) {
    t.match((await server.get(`/v1/jobs/${id}`)).json, { state: 'cancelled', error: { code: 'JOB_CANCELLED' } })
  }
  await server.logs.line('aborted', { token: 'working' })
})

t.test('concurrent registrations of one name apply one after the other', async (t) => {
  const answers = await Promise.all([1, 2, 3].map((threads) => server.put('contested', { module: 'echo.js', threads })))
  t.same(
    answers.map(({ status }) => status).sort((a, b) => a - b),
    [200, 200, 201],
  )
  const { threads } = await server.status('contested')
  t.ok(threads.every(({ state }: { state: string }) => state === 'running'))
  const deleted = await Promise.all([1, 2].map(() => server.delete('/v1/services/contested')))
  t.same(
    deleted.map(({ status }) => status).sort((a, b) => a - b),
    [204, 404],
  )
})
