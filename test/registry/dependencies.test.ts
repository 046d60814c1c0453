/** `dependsOn`: the order of starts and stops, and the dependencies that are refused. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { circleThrough, dependentsFirst } from '../../src/registry/dependencies.ts'
import { isProblem, openGate, serve, type TestServer } from '../http-helper.ts'

t.test('a circle is found from a service back to itself; without a circle the result is undefined', (t) => {
  const dependsOn: Record<string, string[]> = { a: ['b', 'c'], b: ['c'], c: ['d'], d: [], x: ['y'], y: ['z'], z: ['y'] }
  const neighbours = (name: string) => dependsOn[name] ?? []
  for (const name of ['a', 'b', 'c', 'd', 'x', 'nobody']) t.equal(circleThrough(name, neighbours), undefined, name)
  t.equal(circleThrough('y', neighbours), 'y → z → y')
  t.equal(
    circleThrough('s', () => ['s']),
    's → s',
  )
  dependsOn.d = ['a']
  t.equal(circleThrough('a', neighbours), 'a → b → c → d → a')
  t.end()
})

t.test('dependents come first, each once, and a circle does not loop', (t) => {
  const dependents: Record<string, string[]> = { db: ['api', 'jobs'], api: ['web'], jobs: ['web'], r: ['s'], s: ['r'] }
  const neighbours = (name: string) => dependents[name] ?? []
  t.same(dependentsFirst(['db'], neighbours), ['web', 'api', 'jobs', 'db'])
  t.same(dependentsFirst(['api', 'db'], neighbours), ['web', 'api', 'jobs', 'db'])
  t.same(dependentsFirst(['r'], neighbours), ['s', 'r'])
  t.end()
})

/** Writes a module that logs when it starts and stops. */
function writeService(server: TestServer, name: string, options = ''): void {
  writeFileSync(
    join(server.workers, `${name}.js`),
    `import { defineService, method } from 'threadplane/service'
    export default defineService({
      ${options}
      restart: { backoffMs: 1, backoffMaxMs: 1 },
      methods: { go: method({ handler: () => '${name}' }) },
      onThreadStarted: ({ name, logger }) => {
        logger.info('starts')
        if (process.env.DOES_NOT_START === name) throw new Error('not today')
      },
      onThreadStop: ({ logger }) => logger.info('stops'),
    })`,
  )
}

/** The names of services in the order of their log lines. */
const order = (server: TestServer, msg: string, from = 0) =>
  server.logs.records
    .slice(from)
    .filter((record) => record.msg === msg)
    .map(({ service }) => service)

t.test('dependencies start first and stop last when the server starts and ends', async (t) => {
  const first = await serve(t, { services: {}, start: false })
  writeService(first, 'c', "dependsOn: ['b'],")
  writeService(first, 'b', "dependsOn: ['a'],")
  writeService(first, 'a', 'autostart: false,')
  await first.close()
  const server = await serve(t, { services: {}, folder: first.folder })
  t.same(order(server, 'starts'), ['a', 'b', 'c'], 'also a dependency with autostart: false')
  t.match((await server.get('/v1/services')).json.items, [
    { state: 'running' },
    { state: 'running' },
    { state: 'running' },
  ])
  const from = server.logs.records.length
  await server.close()
  t.same(order(server, 'stops', from), ['c', 'b', 'a'])
})

t.test('operations over HTTP follow the order', async (t) => {
  const server = await serve(t, { services: { gate: 'gate', slow: 'waits-to-start' }, start: false })
  const act = (service: string, action: string) => server.post(`/v1/services/${service}/${action}`)
  for (const name of ['db', 'api', 'web', 'other']) writeService(server, name)
  await server.put('db', { module: 'db.js' })
  await server.put('api', { module: 'api.js', dependsOn: ['db'] })
  await server.put('web', { module: 'web.js', dependsOn: ['api', 'db'] })
  await server.put('other', { module: 'other.js' })

  await t.test(
    'a stop first stops the dependents, and lists them; a start first starts the dependencies',
    async (t) => {
      const from = server.logs.records.length
      const { json } = await act('db', 'stop')
      t.match(json, { state: 'stopped', changed: true, stoppedDependents: ['web', 'api'] })
      t.same(order(server, 'stops', from), ['web', 'api', 'db'])
      t.match(await server.status('web'), { state: 'stopped', desiredState: 'stopped' })
      t.equal((await server.status('other')).state, 'running')
      t.match((await act('db', 'stop')).json, { changed: false, stoppedDependents: [] })
      t.match((await act('web', 'start')).json, { state: 'running', changed: true })
      t.same(order(server, 'starts', from), ['db', 'api', 'web'])
    },
  )

  await t.test('a service drains before its dependency is stopped', async (t) => {
    await server.put('drains', { module: 'gate.js', dependsOn: ['other'] })
    const held = server.call('drains', 'hold', { token: 'drains' })
    await server.logs.line('begun', { token: 'drains' })
    const stopped = act('other', 'stop')
    await server.reaches('drains', 'stopping')
    t.match(await server.status('drains'), { state: 'stopping', draining: true })
    t.equal((await server.status('other')).state, 'running')
    openGate('drains')
    t.match(await held, { status: 200, json: 'drains' })
    t.match((await stopped).json, { state: 'stopped', draining: false, stoppedDependents: ['drains'] })
  })

  await t.test('a start during a stop of its dependents keeps the service running', async (t) => {
    await act('drains', 'start')
    const held = server.call('drains', 'hold', { token: 'again' })
    await server.logs.line('begun', { token: 'again' })
    const stopped = act('other', 'stop')
    await server.reaches('drains', 'stopping')
    t.match((await act('other', 'start')).json, { state: 'running', changed: false })
    openGate('again')
    await held
    t.match((await stopped).json, { state: 'running', changed: false, stoppedDependents: ['drains'] })
    await server.delete('/v1/services/drains')
  })

  await t.test('a restart restarts the dependents; a crash and a reload do not', async (t) => {
    const ids = async (name: string) => (await server.status(name)).threads[0].id
    const before = [await ids('web'), await ids('api')]
    await act('db', 'crash')
    await server.restarted('db', 1)
    t.match(await act('db', 'reload'), { status: 200 })
    t.same([await ids('web'), await ids('api')], before)
    const from = server.logs.records.length
    t.match((await act('db', 'restart')).json, { state: 'running', stoppedDependents: ['web', 'api'] })
    t.same(order(server, 'stops', from), ['web', 'api', 'db'])
    t.same(order(server, 'starts', from), ['db', 'api', 'web'])
    t.match(await server.status('web'), { state: 'running', desiredState: 'running' })
  })

  await t.test('a service with dependents is not deleted', async (t) => {
    isProblem(t, await server.delete('/v1/services/db'), 'CONFLICT', { service: 'db', detail: /api, web depend/ })
    t.equal((await server.status('db')).state, 'running')
  })

  await t.test('circles and unknown names are refused, and the error names them', async (t) => {
    const patch = (name: string, dependsOn: string[]) =>
      server.request('PATCH', `/v1/services/${name}`, { json: { dependsOn } })
    const circle = { errors: [{ pointer: '/dependsOn' }], detail: /circle: db → web → api → db$/ }
    isProblem(t, await patch('db', ['web']), 'VALIDATION_FAILED', circle)
    isProblem(t, await server.put('db', { module: 'db.js', dependsOn: ['web'] }), 'VALIDATION_FAILED', circle)
    isProblem(t, await patch('db', ['db']), 'VALIDATION_FAILED', { detail: /circle: db → db$/ })
    isProblem(t, await patch('db', ['nobody']), 'VALIDATION_FAILED', { detail: /depends on nobody/ })
    isProblem(t, await server.put('new', { module: 'db.js', dependsOn: ['nobody'] }), 'VALIDATION_FAILED')
    isProblem(t, await server.put('new', { module: 'db.js', dependsOn: ['new'] }), 'VALIDATION_FAILED')
    writeService(server, 'selfish', "dependsOn: ['selfish'],")
    writeService(server, 'lonely', "dependsOn: ['nobody'],")
    isProblem(t, await server.put('selfish', { module: 'selfish.js' }), 'VALIDATION_FAILED', {
      detail: /selfish → selfish/,
    })
    isProblem(t, await server.put('lonely', { module: 'lonely.js' }), 'VALIDATION_FAILED', { detail: /nobody/ })
    for (const name of ['new', 'selfish', 'lonely']) {
      isProblem(t, await server.get(`/v1/services/${name}`), 'SERVICE_NOT_FOUND')
    }
    t.match(await server.status('db'), { state: 'running', options: { dependsOn: [] } })
    writeService(server, 'db', "dependsOn: ['web'],")
    isProblem(t, await act('db', 'reload'), 'VALIDATION_FAILED', { detail: /circle: db → web/ })
    writeService(server, 'db')
    t.match(await server.call('db', 'go'), { json: 'db' })
  })

  await t.test('if a dependency does not start, the start fails and names it', async (t) => {
    await act('db', 'stop')
    process.env.DOES_NOT_START = 'db'
    t.teardown(() => delete process.env.DOES_NOT_START)
    const starting = act('web', 'start')
    const call = server.call('web', 'go')
    isProblem(t, await starting, 'START_FAILED', { service: 'web', detail: /web depends on .*db.*not today/ })
    isProblem(t, await call, 'SERVICE_NOT_RUNNING')
    t.match(await server.status('web'), { state: 'failed', crashReason: { code: 'START_FAILED', message: /db/ } })
    t.match(await server.status('db'), { state: 'failed', crashReason: { message: 'not today' } })
    delete process.env.DOES_NOT_START
    t.match((await act('web', 'start')).json, { state: 'running', crashReason: null })
    t.equal((await server.status('db')).state, 'running')
  })

  await t.test('a start waits for a dependency that its supervisor restarts', async (t) => {
    await server.request('PATCH', '/v1/services/db', { json: { restart: { maxRestarts: 1_000 } } })
    await act('db', 'stop')
    process.env.DOES_NOT_START = 'db'
    t.teardown(() => delete process.env.DOES_NOT_START)
    const starting = act('api', 'start')
    await server.logs.line('restarting', { service: 'db' })
    t.equal((await server.status('api')).state, 'starting')
    delete process.env.DOES_NOT_START
    t.match((await starting).json, { state: 'running', changed: true })
  })

  await t.test('a stop interrupts the wait for a dependency', async (t) => {
    await server.put('needs', { module: 'gate.js', autostart: false, dependsOn: ['slow'] })
    const starting = act('needs', 'start')
    await server.logs.line('waits to start', { service: 'slow' })
    t.equal((await server.status('needs')).state, 'starting')
    t.match((await act('needs', 'stop')).json, { state: 'stopped', changed: true })
    isProblem(t, await starting, 'CONFLICT', { detail: /needs was stopped while it started/ })
    t.equal((await server.status('slow')).state, 'starting')
    await act('slow', 'stop')
  })
})

t.test('a circle among the modules of the folder is logged, and its services do not start', async (t) => {
  const first = await serve(t, { services: {}, start: false })
  writeService(first, 'one', "dependsOn: ['two'],")
  writeService(first, 'two', "dependsOn: ['one'],")
  writeService(first, 'alone')
  writeService(first, 'lost', "dependsOn: ['nobody'],")
  await first.close()
  const server = await serve(t, { services: {}, folder: first.folder })
  for (const [service, message] of [
    ['one', /circle/],
    ['two', /circle/],
    ['lost', /nobody/],
  ] as const) {
    t.match(await server.status(service), { state: 'failed', crashReason: { message } }, service)
    t.match(await server.logs.line('not started', { service }), { err: { message } })
    isProblem(t, await server.post(`/v1/services/${service}/start`), 'START_FAILED', { detail: message })
  }
  t.same(order(server, 'starts'), ['alone'])
  t.match(await server.request('PATCH', '/v1/services/two', { json: { dependsOn: [] } }), { status: 200 })
  t.match((await server.post('/v1/services/one/start')).json, { state: 'running' })
  t.same(order(server, 'starts'), ['alone', 'two', 'one'])
})

t.test('a service that was started as a dependency stays started after a restart of the server', async (t) => {
  const first = await serve(t, { services: {}, start: false })
  writeService(first, 'a')
  writeService(first, 'b', "dependsOn: ['a'],")
  await first.close()
  const second = await serve(t, { services: {}, folder: first.folder })
  t.equal((await second.post('/v1/services/a/stop')).status, 200, 'and b with it')
  t.match(await second.post('/v1/services/b/start'), { status: 200, json: { state: 'running' } })
  t.match(await second.status('a'), { state: 'running', desiredState: 'running' })
  t.equal((await second.request('PATCH', '/v1/services/b', { json: { dependsOn: [] } })).status, 200)
  await second.close()
  const third = await serve(t, { services: {}, folder: first.folder })
  t.match(await third.status('a'), { state: 'running' })
})
