/** What survives a restart of the server, and that no module can block the control thread (P1). */
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ServiceWorker } from '../../src/threads/service-worker.ts'
import { isProblem, letGo, serve } from '../http-helper.ts'

t.test('P1: whatever a module does at import, the server answers, and crashReason has the cause', async (t) => {
  const server = await serve(t, {
    services: {
      loops: 'loops-at-import',
      throws: 'throws-at-import',
      exits: 'exits-at-import',
      nothing: 'exports-nothing',
      nonsense: 'exports-nonsense',
      option: 'wrong-option',
      echo: 'echo',
    },
    start: false,
  })
  writeFileSync(join(server.workers, 'syntax.js'), 'export default {')
  writeFileSync(join(server.workers, 'imports.js'), 'import "../missing.js"')
  const restart = { maxRestarts: 0 }
  for (const [module, message] of [
    ['throws', /^the import went wrong$/],
    ['exits', /exited with code 7/],
    ['nothing', /default export is missing.*export default defineService/],
    ['nonsense', /default export is not a service/],
    ['option', /thread: Unrecognized key; it takes .*threads/],
    ['syntax', /Unexpected end of input/],
    ['imports', /missing\.js/],
  ] as const) {
    const answer = await server.put(`bad-${module}`, { module: `${module}.js`, restart })
    // A module that can never be loaded is refused. Others may work the next time: their registration is kept.
    const isKept = module === 'throws' || module === 'exits'
    if (!isKept) {
      isProblem(t, answer, 'MODULE_REFUSED', { detail: message })
      continue
    }
    t.match(answer, { status: 201, json: { state: 'failed', crashReason: { message }, methods: [] } }, module)
    isProblem(t, await server.call(`bad-${module}`, 'go'), 'SERVICE_NOT_RUNNING')
    isProblem(t, await server.cast(`bad-${module}`, 'go'), 'SERVICE_NOT_RUNNING')
    isProblem(t, await server.post(`/v1/services/bad-${module}/start`), 'START_FAILED', { error: { message } })
  }

  const looping = server.put('bad-loops', { module: 'loops.js', startTimeoutMs: 500, restart })
  for (let n = 0; n < 10; n += 1) t.equal((await server.get('/livez')).status, 200)
  t.match(await server.post('/v1/services/echo/start'), { status: 200 })
  t.match(await server.call('echo', 'any', 1), { json: 1 })
  t.match(await looping, {
    status: 201,
    json: { state: 'failed', crashReason: { code: 'START_FAILED', message: /500 ms of startTimeoutMs/ } },
  })
})

t.test(
  'P1: a module that could not be imported is restarted, and has its own options once it can be imported',
  async (t) => {
    const server = await serve(t, { services: { mends: 'fails-at-import' }, start: false })
    process.env.FAILS_AT_IMPORT = 'not yet'
    t.teardown(() => delete process.env.FAILS_AT_IMPORT)
    isProblem(t, await server.post('/v1/services/mends/start'), 'START_FAILED', {
      error: { message: 'could not be imported: not yet' },
    })
    const call = server.call('mends', 'go')
    await server.get('/livez')
    delete process.env.FAILS_AT_IMPORT
    t.match(await call, { status: 200, json: 'went' })
    t.match(await server.status('mends'), { state: 'running', crashReason: null, restartBudget: { maxRestarts: 1 } })
  },
)

t.test(
  'the thread in which a module describes itself becomes its first thread, if its options allow that',
  async (t) => {
    const server = await serve(t, { services: {}, start: false })
    const write = (name: string, options = '') =>
      writeFileSync(
        join(server.workers, `${name}.js`),
        `import { defineService, method } from 'threadplane/service'
       console.log('imported')
       export default defineService({ ${options} methods: { go: method({ handler: () => 'went' }) } })`,
      )
    const imports = (service: string) => server.logs.lines('imported', { service }).length

    for (const [name, options, expected] of [
      ['one', '', 1],
      ['two', 'threads: 2,', 2],
      ['limited', 'limits: { maxOldGenerationSizeMb: 64 },', 2],
    ] as const) {
      write(name, options)
      t.match(await server.put(name, { module: `${name}.js` }), { status: 201, json: { state: 'running' } })
      t.match(await server.call(name, 'go'), { json: 'went' })
      t.equal(imports(name), expected, name)
    }
    write('one', "description: 'another',")
    t.match(await server.post('/v1/services/one/reload'), { status: 200, json: { state: 'running' } })
    t.match(await server.call('one', 'go'), { json: 'went' })
    t.equal(imports('one'), 2, 'new code')

    const alive = ServiceWorker.alive.size
    write('lazy', 'autostart: false,')
    t.match(await server.put('lazy', { module: 'lazy.js' }), { status: 201, json: { state: 'stopped' } })
    t.equal(imports('lazy'), 1)
    t.equal(ServiceWorker.alive.size, alive, 'the thread of a service that is not started has ended')
    write('needs', "dependsOn: ['one'], onThreadStarted() { throw new Error('no') }, restart: { maxRestarts: 0 },")
    t.match(await server.put('needs', { module: 'needs.js' }), { status: 201, json: { state: 'failed' } })
    t.equal(imports('needs'), 1)
    t.equal(ServiceWorker.alive.size, alive, 'the thread of a service that fails to start has ended')
  },
)

t.test('registrations and desired states survive a restart of the server', async (t) => {
  const first = await serve(t, { services: { echo: 'echo', gate: 'gate', lazy: 'not-by-itself' } })
  const { folder } = first
  await first.put('mine', { module: 'gate.js', threads: 2, restart: { maxRestarts: 1 } })
  await first.put('constructor', { module: 'echo.js' })
  await first.put('__proto__', { module: 'echo.js' })
  await first.put('lazy', { module: 'lazy.js', queueCapacity: 3 })
  await first.put('gone', { module: 'echo.js' })
  await first.delete('/v1/services/gone')
  await first.delete('/v1/services/gate')
  await first.post('/v1/services/echo/stop')
  await first.post('/v1/services/lazy/start')
  await first.close()

  const second = await serve(t, { services: {}, folder })
  const states = (await second.get('/v1/services')).json.items.map(
    ({ name, state, desiredState }: Record<string, string>) => `${name} ${state} ${desiredState}`,
  )
  t.same(states, [
    '__proto__ running running',
    'constructor running running',
    'echo stopped stopped',
    'lazy running running',
    'mine running running',
  ])
  t.match(await second.status('mine'), { threads: { length: 2 }, restartBudget: { maxRestarts: 1 } })
  t.match(await second.status('lazy'), { queue: { capacity: 3 } })
  t.match(await second.cast('echo', 'any', 1), { status: 202 }, 'a stopped service is described without a thread')
  t.notOk(second.logs.has('gone'))

  t.match(await second.put('gate', { module: 'gate.js' }), { status: 201 }, 'a deleted service can be registered again')
  await second.post('/v1/services/echo/start')
  await second.close()
  const third = await serve(t, { services: {}, folder })
  t.match(await third.status('gate'), { state: 'running' })
  t.match(await third.status('echo'), { state: 'running' })
})

t.test('the desired state of a failed start and of a restart survives too', async (t) => {
  const first = await serve(t, { services: { gives: 'fails-to-start', echo: 'echo' }, start: false })
  const { folder } = first
  await first.post('/v1/services/gives/stop')
  await first.post('/v1/services/echo/stop')
  process.env.FAILS_TO_START = 'now'
  t.teardown(() => delete process.env.FAILS_TO_START)
  isProblem(t, await first.post('/v1/services/gives/restart'), 'START_FAILED')
  delete process.env.FAILS_TO_START
  await first.post('/v1/services/echo/restart')
  await first.close()
  const second = await serve(t, { services: {}, folder })
  t.match(await second.status('gives'), { state: 'running' })
  t.match(await second.status('echo'), { state: 'running' })
})

t.test('descriptions survive a restart of the server, so that casts are accepted at once', async (t) => {
  const first = await serve(t, { services: { imports: 'waits-at-import' }, start: false })
  const { folder } = first
  const started = first.post('/v1/services/imports/start')
  await first.logs.line('waits at import')
  letGo('imports')
  t.match(await started, { status: 200 })
  await first.close()

  const second = await serve(t, { services: {}, folder, start: false })
  const starting = second.server.registry.startAll()
  await second.logs.line('waits at import')
  t.match(await second.status('imports'), { state: 'starting', methods: ['go'] })
  t.match(await second.cast('imports', 'go'), { status: 202, json: { state: 'queued' } })
  isProblem(t, await second.cast('imports', 'nonsense'), 'METHOD_NOT_FOUND')
  letGo('imports')
  await starting
  await second.close()

  const changed = await serve(t, { services: { imports: 'echo' }, folder, start: false })
  t.match(await changed.status('imports'), { methods: [] }, 'a description belongs to the content of the file')
  await changed.close()

  rmSync(join(folder, 'data', 'descriptions'), { recursive: true })
  const without = await serve(t, { services: {}, folder })
  t.match(await without.status('imports'), { state: 'running', methods: ['any'] })
})

t.test('a registered service whose module is gone is shown as failed, and can be replaced and deleted', async (t) => {
  const first = await serve(t, { services: { echo: 'echo', gate: 'gate' }, start: false })
  for (const name of ['mine', 'other', 'back']) await first.put(name, { module: 'gate.js' })
  await first.close()
  rmSync(join(first.workers, 'gate.js'))
  const second = await serve(t, { services: {}, folder: first.folder })
  t.match(await second.status('echo'), { state: 'running' })
  const message = /"gate.js" does not exist in the workers folder/
  const failed = { state: 'failed', module: 'gate.js', crashReason: { code: 'MODULE_REFUSED', message } }
  for (const service of ['mine', 'other', 'back']) {
    await second.logs.line('a registered service cannot be restored', { service })
    t.match(await second.status(service), failed)
  }
  isProblem(t, await second.post('/v1/services/mine/start'), 'START_FAILED', { detail: message })
  isProblem(t, await second.call('mine', 'hold'), 'SERVICE_NOT_RUNNING')
  t.match(await second.put('mine', { module: 'echo.js' }), { status: 200, json: { state: 'running' } })
  t.equal((await second.delete('/v1/services/other')).status, 204)
  copyFileSync(join(second.workers, 'echo.js'), join(second.workers, 'gate.js'))
  t.match(await second.post('/v1/services/back/reload'), { status: 200, json: { state: 'running', crashReason: null } })
})

t.test(
  'the number of services has a limit, which also holds for those that are registered at the same time',
  async (t) => {
    const server = await serve(t, { services: { echo: 'echo' }, maxServices: 3, start: false })
    const put = (name: string) => server.put(name, { module: 'echo.js', autostart: false })
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map(put))
    t.strictSame(
      answers.map(({ status }) => status).sort((a, b) => a - b),
      [201, 201, 409, 409],
    )
    const refused = answers.find(({ status }) => status === 409)
    if (refused !== undefined)
      isProblem(t, refused, 'CONFLICT', { detail: /3 services already \(THREADPLANE_MAX_SERVICES\)/ })
    t.match(await put('echo'), { status: 200 }, 'a service that exists can be replaced')
  },
)

t.test('files of the modules folder are services by their names; the log names files that cannot be', async (t) => {
  const server = await serve(t, {
    services: { _private: 'echo', 'a.b': 'echo', 'a b': 'echo', echo: 'echo' },
    start: false,
  })
  const { folder } = server
  writeFileSync(join(server.workers, 'types.d.ts'), '')
  writeFileSync(join(server.workers, 'echo.js.map'), '')
  writeFileSync(join(server.workers, 'echo.mjs'), '')
  await server.close()
  const again = await serve(t, { services: {}, folder, start: false })
  t.same(
    (await again.get('/v1/services')).json.items.map(({ name }: { name: string }) => name),
    ['a.b', 'echo'],
  )
  t.equal((await again.status('echo')).module, 'echo.js')
  await again.logs.line('no service: its name cannot be one', { module: 'a b.js' })
  await again.logs.line('no service: echo.js has that name', { module: 'echo.mjs' })
})
