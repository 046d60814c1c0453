/** The files of the data folder beside the journal: damaged ones, what is left of deleted services, and who may read them. */
import { chmodSync, existsSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { DescriptionCache } from '../../src/registry/description-cache.ts'
import { becomes, isProblem, serve } from '../http-helper.ts'

t.test('a damaged file of registrations ends the start with an error that names the file', async (t) => {
  const first = await serve(t, { services: { echo: 'echo' }, start: false })
  await first.post('/v1/services/echo/stop')
  await first.close()
  const file = join(first.folder, 'data', 'services.json')
  const text = readFileSync(file, 'utf8')
  const reopen = (t: Test) => serve(t, { services: {}, folder: first.folder, start: false })
  for (const damaged of ['', '{', '[]', text.replace('"version": 1', '"version": 2')]) {
    writeFileSync(file, damaged)
    await t.rejects(reopen(t), { message: /services\.json cannot be read: repair it, or move it away/ })
  }
  writeFileSync(file, text)
  t.match(await (await reopen(t)).status('echo'), { desiredState: 'stopped' })
})

t.test('a description that is damaged, or of another version, is made anew', async (t) => {
  const first = await serve(t, { services: { echo: 'echo' } })
  const folder = join(first.folder, 'data', 'descriptions')
  const names = () => (existsSync(folder) ? readdirSync(folder) : [])
  await becomes(
    'a description to be written',
    () => names().length === 1 && names().every((name) => name.endsWith('.json')),
  )
  await first.close()
  const [name = ''] = names()
  const text = readFileSync(join(folder, name), 'utf8')
  const right = JSON.parse(text) as object
  for (const damaged of [
    '',
    '{}',
    'null',
    '{"options":{},"methods":{"any":null}}',
    { ...right, options: { hue: 1 } },
  ]) {
    writeFileSync(join(folder, name), typeof damaged === 'string' ? damaged : JSON.stringify(damaged))
    const server = await serve(t, { services: {}, folder: first.folder })
    t.match(await server.status('echo'), { state: 'running' })
    t.match(await server.call('echo', 'any', 1), { status: 200 })
    await becomes('the description to be written', () => readFileSync(join(folder, name), 'utf8') === text)
    await server.close()
  }
})

t.test('of many descriptions, those that were not used for the longest time are deleted', async (t) => {
  const data = t.testdir({ descriptions: {}, 'module.js': '' })
  const folder = join(data, 'descriptions')
  for (let n = 0; n < 2_005; n += 1) {
    const file = join(folder, `${n}.json`)
    writeFileSync(file, '{}')
    utimesSync(file, n, n)
  }
  const cache = new DescriptionCache(data)
  const moduleUrl = pathToFileURL(join(data, 'module.js')).href
  await cache.keep(moduleUrl, { options: {}, methods: {} })
  t.equal(readdirSync(folder).length, 2_000)
  t.notOk(existsSync(join(folder, '5.json')))
  t.ok(existsSync(join(folder, '6.json')))
  t.same(await cache.get(moduleUrl), { options: {}, methods: {} })
})

t.test('what is deleted leaves nothing behind, unless its file would make it a service again', async (t) => {
  const server = await serve(t, { services: { echo: 'echo', gate: 'gate' }, start: false })
  await server.put('mine', { module: 'echo.js' })
  for (const name of ['mine', 'gate']) t.equal((await server.delete(`/v1/services/${name}`)).status, 204)
  const stored = () => JSON.parse(readFileSync(join(server.folder, 'data', 'services.json'), 'utf8')).services as object
  t.strictSame(stored(), { gate: { deleted: true } })
  await server.close()
  rmSync(join(server.workers, 'gate.js'))
  const again = await serve(t, { services: {}, folder: server.folder })
  await becomes('the file to forget the deleted service', () => Object.keys(stored()).length === 0)
  t.match((await again.get('/v1/services')).json.items, [{ name: 'echo' }])
})

t.test('the data folder and its files are for their owner alone, whatever the umask', async (t) => {
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  const first = await serve(t, { services: { echo: 'echo' } })
  const data = join(first.folder, 'data')
  const names = () => readdirSync(data, { recursive: true }) as string[]
  const modeOf = (name: string) => (statSync(join(data, name)).mode & 0o777).toString(8)
  const isPrivate = () => {
    t.equal(modeOf('.'), '700')
    for (const name of names()) t.equal(modeOf(name), name === 'descriptions' ? '700' : '600', name)
  }
  await first.post('/v1/services/echo/stop')
  t.equal((await first.cast('echo', 'any', 'secret')).status, 202)
  t.ok(names().length >= 5)
  isPrivate()
  await first.close()
  for (const name of ['.', ...names()]) chmodSync(join(data, name), /^(\.|descriptions)$/.test(name) ? 0o755 : 0o644)
  const second = await serve(t, { services: {}, folder: first.folder, start: false })
  isPrivate()
  await second.close()
  const notes = join(data, 'notes.txt')
  writeFileSync(notes, 'not of the server', { mode: 0o644 })
  rmSync(join(data, 'descriptions'), { recursive: true })
  writeFileSync(join(data, 'descriptions'), 'no folder')
  const third = await serve(t, { services: {}, folder: first.folder })
  t.equal(modeOf('notes.txt'), '644')
  t.match(await third.post('/v1/services/echo/start'), { status: 200 }, 'also if descriptions cannot be kept')

  // A volume of an image: the administrator's token is written before the server opens its folder.
  const volume = t.testdir({ data: { 'admin-token': 'tp_token' } })
  chmodSync(join(volume, 'data'), 0o755)
  await serve(t, { services: {}, folder: volume })
  t.equal((statSync(join(volume, 'data')).mode & 0o777).toString(8), '700')
})

t.test(
  'damaged registrations stop no other service; they are shown, stay in the file, and can be replaced',
  async (t) => {
    const first = await serve(t, { services: { echo: 'echo', gate: 'gate' }, start: false })
    await first.close()
    const file = join(first.folder, 'data', 'services.json')
    const damaged = {
      nothing: null,
      module: { module: 5 },
      options: { module: 'echo.js', options: { threads: 100_000 }, desiredState: 'running' },
      newer: { module: 'echo.js', options: { hue: 'blue' } },
      wish: { module: 'echo.js', desiredState: 'asleep' },
      gate: { options: 7 },
      'a b': { module: 'echo.js' },
    }
    const services = { ...damaged, good: { module: 'echo.js' } }
    writeFileSync(file, JSON.stringify({ version: 1, services }))
    const second = await serve(t, { services: {}, folder: first.folder })
    t.match(await second.status('good'), { state: 'running' })
    await second.logs.line('a registration is left out: its name cannot be one', { service: 'a b' })
    for (const service of ['nothing', 'module', 'options', 'newer', 'wish', 'gate']) {
      await second.logs.line('a registered service cannot be restored', { service })
      t.match(
        await second.status(service),
        { state: 'failed', crashReason: { message: /services.json cannot be used/ } },
        service,
      )
      isProblem(t, await second.post(`/v1/services/${service}/start`), 'START_FAILED')
      isProblem(t, await second.post(`/v1/services/${service}/reload`), 'CONFLICT')
    }
    isProblem(t, await second.request('PATCH', '/v1/services/newer', { json: { threads: 2 } }), 'CONFLICT')
    await second.post('/v1/services/options/stop')
    t.strictSame(JSON.parse(readFileSync(file, 'utf8')).services, services, 'the server has changed nothing')
    t.match(await second.put('options', { module: 'echo.js' }), { status: 200, json: { state: 'running' } })
    t.equal((await second.delete('/v1/services/module')).status, 204)
    const { module: _module, ...left } = services
    t.strictSame(JSON.parse(readFileSync(file, 'utf8')).services, {
      ...left,
      options: { module: 'echo.js', options: {} },
    })
  },
)
