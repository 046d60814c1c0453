/** A server with a `threadplane.json`: what it declares is there at the start, and what a client changes wins. */
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { becomes, isProblem, serve, type TestServer } from '../http-helper.ts'

const folder = mkdtempSync(fileURLToPath(new URL('../http-declared-', import.meta.url)))
const workers = join(folder, 'workers')
mkdirSync(workers)
copyFileSync(new URL('../fixtures/configured.js', import.meta.url), join(workers, 'configured.js'))

const nightly = { cron: '0 3 * * *', method: 'greet', payload: { name: 'Ada' } }
const polite = { module: 'configured.js', config: { greeting: 'Good day' }, options: { numWorkers: 3 } }

function declare(services: object): void {
  writeFileSync(join(workers, 'threadplane.json'), JSON.stringify({ services }))
}

declare({
  polite: { ...polite, schedules: { nightly, weekly: { ...nightly, cron: '0 3 * * 1' } } },
  short: { module: 'configured.js', config: { greeting: 'Hi', marks: { count: 3 } }, env: ['NOT_SET_ANYWHERE'] },
  wrong: { module: 'configured.js', config: { greeting: '' } },
})
process.env.HIDDEN_FROM_SHORT = 'secret'

const greet = async (server: TestServer, service: string) =>
  (await server.call(service, 'greet', { name: 'Ada' })).json as unknown
const schedule = async (server: TestServer, name: string) =>
  server.get(`/v1/services/polite/schedules/${name}`).then(({ status, json }) => (status === 404 ? undefined : json))

const file = t
let server = await serve(file, { services: {}, folder })

t.test('services of one module have their own config, options and environment', async (t) => {
  const { items } = (await server.get('/v1/services')).json as { items: { name: string }[] }
  t.same(
    items.map(({ name }) => name),
    ['polite', 'short', 'wrong'],
    'the module is no service by the name of its file',
  )
  t.equal(await greet(server, 'polite'), 'Good day, Ada!')
  t.equal(await greet(server, 'short'), 'Hi, Ada!!!')
  t.match(await server.status('polite'), { options: { numWorkers: 3, config: { greeting: 'Good day' } } })
  t.same((await server.call('short', 'environment', {})).json, { names: [] })
  t.notMatch(JSON.stringify(await server.status('short')), 'secret')
})

t.test('a config that the module refuses fails that service, and names the key', async (t) => {
  t.match(await server.status('wrong'), {
    state: 'failed',
    restartCount: 0,
    crashReason: { code: 'VALIDATION_FAILED', message: /the config of wrong was refused: config\.greeting: / },
  })
})

t.test('the JSON Schema of the config is shown with the methods', async (t) => {
  t.match((await server.get('/v1/services/polite/methods')).json, {
    config: { properties: { greeting: { type: 'string' } }, required: ['greeting'] },
  })
})

t.test('a PUT with a config that is refused is 422, and registers nothing', async (t) => {
  const refused = await server.put('rude', { module: 'configured.js', config: { greeting: 7 } })
  isProblem(t, refused, 'VALIDATION_FAILED', { errors: [{ pointer: '/config/greeting' }] })
  isProblem(t, await server.get('/v1/services/rude'), 'SERVICE_NOT_FOUND')
  t.match(await server.put('rude', { module: 'configured.js', config: { greeting: 'Oi' } }), { status: 201 })
  t.equal(await greet(server, 'rude'), 'Oi, Ada!')
  const again = await server.put('rude', { module: 'configured.js', config: {} })
  isProblem(t, again, 'VALIDATION_FAILED', { errors: [{ pointer: '/config/greeting' }] })
  t.equal(await greet(server, 'rude'), 'Oi, Ada!', 'the service goes on as it was')
  isProblem(t, await server.put('rude', { module: 'configured.js', config: 'x' }), 'VALIDATION_FAILED')
})

t.test('a PATCH changes a key of the config, over what the file says', async (t) => {
  const patch = (json: unknown) => server.request('PATCH', '/v1/services/polite', { json })
  t.match(await patch({ config: { marks: { count: 2 } } }), { status: 200 })
  t.equal(await greet(server, 'polite'), 'Good day, Ada!!')
  isProblem(t, await patch({ config: { marks: { count: 'x' } } }), 'VALIDATION_FAILED')
  t.match(await server.post('/v1/services/polite/reload'), { status: 200 })
  t.equal(await greet(server, 'polite'), 'Good day, Ada!!', 'also after a reload')
})

t.test('declared schedules are made; one that a client has set wins', async (t) => {
  await becomes('the schedules to be made', async () => (await schedule(server, 'weekly')) !== undefined)
  t.match(await schedule(server, 'nightly'), { source: 'file', ...nightly, timezone: 'UTC', error: null })
  const set = await server.request('PUT', '/v1/services/polite/schedules/nightly', {
    json: { ...nightly, cron: '0 4 * * *' },
  })
  t.match(set, { status: 200, json: { source: 'http', cron: '0 4 * * *' } })
})

t.test('after a restart the file counts anew, below what was changed over HTTP', async (t) => {
  await server.close()
  declare({
    polite: {
      ...polite,
      config: { greeting: 'Welcome', marks: { count: 5 } },
      schedules: { nightly, hourly: { ...nightly, cron: '0 * * * *' } },
    },
    short: { module: 'configured.js', config: { greeting: 'Hey' } },
    rude: { module: 'configured.js', config: { greeting: 'Please' } },
  })
  server = await serve(file, { services: {}, folder })
  t.equal(await greet(server, 'polite'), 'Welcome, Ada!!', 'the key that was patched stays')
  t.equal(await greet(server, 'short'), 'Hey, Ada!')
  t.equal(await greet(server, 'rude'), 'Oi, Ada!', 'a registration by PUT replaces the entry')
  isProblem(t, await server.get('/v1/services/wrong'), 'SERVICE_NOT_FOUND')
  await becomes('the schedule that is gone to be deleted', async () => (await schedule(server, 'weekly')) === undefined)
  t.match(await schedule(server, 'hourly'), { source: 'file' })
  t.match(await schedule(server, 'nightly'), { source: 'http', cron: '0 4 * * *' })
})

t.test('a service that was deleted over HTTP stays deleted', async (t) => {
  t.match(await server.delete('/v1/services/short'), { status: 204 })
  await server.close()
  server = await serve(file, { services: {}, folder })
  isProblem(t, await server.get('/v1/services/short'), 'SERVICE_NOT_FOUND')
})
