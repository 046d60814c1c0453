/** Reload and PUT replace the code of a service: no call is lost, and code that does not start changes nothing. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { replaceVersion } from '../../src/services/replacing.ts'
import { type Answer, becomes, isProblem, letGo, openGate, serve, type TestServer } from '../http-helper.ts'

const server = await serve(t, {
  services: { gate: 'gate', echo: 'echo' },
  start: false,
})

const reload = (service: string) => server.post(`/v1/services/${service}/reload`)
const ids = (status: Answer['json']): number[] => status.threads.map(({ id }: { id: number }) => id)

/** Writes a module whose method `version` returns its version. @param more the source of other methods */
function writeVersion(name: string, version: number | string, more = '', to: TestServer = server): void {
  const text = `
    import { defineService, method } from 'threadplane/service'
    import { z } from 'zod'
    export default defineService({
      restart: { backoffMs: 1, backoffMaxMs: 1 },
      methods: {
        version: method({ handler: () => ${JSON.stringify(version)} }),
        ${more}
      },
    })`
  writeFileSync(join(to.workers, `${name}.js`), text)
}

t.test('files that a module imports are loaded anew too', async (t) => {
  const write = (text: string) => writeFileSync(join(server.workers, '_part.js'), `export const part = '${text}'`)
  writeFileSync(
    join(server.workers, 'whole.js'),
    `import { defineService, method } from 'threadplane/service'
    import { part } from './_part.js'
    export default defineService({ description: part, methods: { go: method({ handler: () => part }) } })`,
  )
  write('old')
  await server.put('whole', { module: 'whole.js' })
  write('new')
  t.match((await reload('whole')).json, { description: 'new' })
  t.match(await server.call('whole', 'go'), { json: 'new' })
})

t.test('an old thread finishes the methods it has begun; the new thread runs the others', async (t) => {
  await server.put('handsover', { module: 'gate.js', numWorkers: 1, prefetch: 8, shutdownTimeoutMs: 1 })
  const [old] = ids(await server.status('handsover'))
  const held = server.call('handsover', 'hold', { token: 'handed over' })
  await server.logs.line('begun', { token: 'handed over' })
  const waiting = server.call('handsover', 'nap')
  await server.waiting('handsover', 1)
  const { json } = await reload('handsover')
  t.match(await waiting, { status: 200, json: 'rested' }, 'the new thread ran it without waiting for the old one')
  t.match(json, { state: 'running', threads: [{ draining: false }, { id: old, draining: true }] })
  await server.running('handsover', 1)
  openGate('handed over')
  t.match(await held, { status: 200, json: 'handed over' }, 'also after shutdownTimeoutMs')
  await server.threads('handsover', 1)
  t.equal((await server.status('handsover')).state, 'running')
})

t.test('an old thread ends although a method of it goes on after its deadline', async (t) => {
  writeVersion('lingers', 0, `spin: method({ timeoutMs: 50, handler: () => { for (;;); } }),`)
  await server.put('lingers', { module: 'lingers.js', cancelGraceMs: 10 })
  const spinning = server.call('lingers', 'spin')
  await server.running('lingers', 1)
  t.match((await reload('lingers')).json, { state: 'running' })
  isProblem(t, await spinning, 'DEADLINE_EXCEEDED')
  await server.threads('lingers', 1)
  t.match(await server.call('lingers', 'version'), { json: 0 })
})

t.test('code that does not start changes nothing, and the error says why it did not start', async (t) => {
  writeVersion('stays', 'good')
  await server.put('stays', { module: 'stays.js' })
  const before = await server.status('stays')
  const file = join(server.workers, 'stays.js')
  for (const [code, message] of [
    ['import { defineService } from "threadplane"\nexport default {\n', /Unexpected end of input \(.*stays\.js:3:1\)/],
    ['import "./_broken.js"', /Unexpected token.* of a module that .*stays\.js imports/],
    ['import { nothing } from "zod"', /does not provide an export named 'nothing' \(.*stays\.js:1\)/],
    ['throw new Error("not today")', /^not today$/],
    ['export default 1', /default export is not a service/],
    ['process.exit(3)', /exited with code 3/],
    [
      'import { defineService } from "threadplane"\nexport default defineService({ methods: { go: { handler() {} } }, onStart() { throw new Error("no start") } })',
      /^no start$/,
    ],
  ] as const) {
    writeFileSync(join(server.workers, '_broken.js'), 'export const = 1')
    writeFileSync(file, code)
    const expected = { service: 'stays', detail: /goes on as it was/, error: { message } }
    isProblem(t, await reload('stays'), 'START_FAILED', expected)
    isProblem(t, await server.put('stays', { module: 'stays.js', threads: 3 }), 'START_FAILED', expected)
    t.match(await server.call('stays', 'version'), { status: 200, json: 'good' }, 'the old code serves')
  }
  rmSync(file)
  isProblem(t, await reload('stays'), 'MODULE_REFUSED')
  t.match(await server.status('stays'), {
    state: 'running',
    crashReason: null,
    restartCount: 0,
    threads: [{ id: ids(before)[0] }],
  })
  isProblem(t, await reload('nobody'), 'SERVICE_NOT_FOUND')
})

t.test('if one of several new threads does not start, none of them takes over', async (t) => {
  writeFileSync(
    join(server.workers, 'one-of.js'),
    `import { defineService, method } from 'threadplane/service'
    import { createServer } from 'node:net'
    export default defineService({
      methods: { go: method({ handler: () => 'went' }) },
      onThreadStarted: () => process.env.ONE_OF === undefined ? undefined : new Promise((resolve, reject) => {
        const server = createServer().listen(Number(process.env.ONE_OF), '127.0.0.1', () => resolve(server)).on('error', reject)
        server.unref()
      }),
    })`,
  )
  await server.put('oneof', { module: 'one-of.js', threads: 2 })
  const before = ids(await server.status('oneof'))
  process.env.ONE_OF = String(server.port)
  t.teardown(() => delete process.env.ONE_OF)
  isProblem(t, await reload('oneof'), 'START_FAILED', { error: { message: /EADDRINUSE/ } })
  t.same(ids(await server.status('oneof')), before)
  t.match(await server.call('oneof', 'go'), { json: 'went' })
})

t.test('a PUT that failed is not kept over a restart of the server', async (t) => {
  const first = await serve(t, { services: {}, start: false })
  writeVersion('mine', 1, '', first)
  await first.put('mine', { module: 'mine.js', threads: 2 })
  writeFileSync(join(first.workers, 'broken.js'), 'throw new Error("broken")')
  isProblem(t, await first.put('mine', { module: 'broken.js', threads: 3 }), 'START_FAILED')
  await first.close()
  const second = await serve(t, { services: {}, folder: first.folder })
  t.match(await second.status('mine'), { state: 'running', module: 'mine.js', threads: { length: 2 } })
})

t.test(
  'methods and schemas change with the code; a queued cast of a removed method fails with METHOD_NOT_FOUND',
  async (t) => {
    const strict = 'take: method({ input: z.object({ n: z.number() }), handler: ({ n }) => n }),'
    writeVersion('switches', 1, `${strict} gone: method({ handler: () => 'here' }),`)
    await server.put('switches', { module: 'switches.js' })
    await server.post('/v1/services/switches/pause')
    const { json: queued } = await server.cast('switches', 'gone')
    const { json: later } = await server.cast('switches', 'gone', {}, '?delayMs=10')
    isProblem(t, await server.cast('switches', 'take', { n: 'one' }), 'VALIDATION_FAILED')
    writeVersion('switches', 2, strict.replace('z.number()', 'z.string()'))
    t.match(
      (await reload('switches')).json,
      { state: 'paused', methods: ['version', 'take'] },
      'the service stays paused',
    )
    isProblem(t, await server.cast('switches', 'gone'), 'METHOD_NOT_FOUND')
    isProblem(t, await server.cast('switches', 'take', { n: 1 }), 'VALIDATION_FAILED')
    t.match(await server.cast('switches', 'take', { n: 'one' }), { status: 202 })
    await server.post('/v1/services/switches/resume')
    t.match(await server.call('switches', 'take', { n: 'one' }), { json: 'one' })
    for (const { id } of [queued, later]) {
      t.match(await server.finished(id), { state: 'failed', error: { code: 'METHOD_NOT_FOUND' } })
    }
    const { paths } = (await server.get('/openapi.json')).json
    t.ok('/v1/services/switches/call/take' in paths)
    t.notOk('/v1/services/switches/call/gone' in paths)
  },
)

t.test('a job whose attempt fails in the old thread is not retried if the new code has no such method', async (t) => {
  writeVersion(
    'loses',
    1,
    `once: method({ maxAttempts: 5, backoffMs: 1, handler: async (_, { logger }) => {
      const channel = new BroadcastChannel('let go: loses')
      const letGo = new Promise((resolve) => { channel.onmessage = resolve })
      logger.info('begun')
      await letGo
      channel.close()
      throw new Error('fails')
    } }),`,
  )
  await server.put('loses', { module: 'loses.js', shutdownTimeoutMs: 100 })
  const { json: cast } = await server.cast('loses', 'once')
  await server.logs.line('begun', { service: 'loses' })
  writeVersion('loses', 2)
  t.match((await reload('loses')).json, { state: 'running', methods: ['version'] })
  letGo('loses')
  const { state, error, history } = await server.finished(cast.id)
  t.match({ state, error }, { state: 'failed', error: { code: 'METHOD_NOT_FOUND' } })
  t.match(history, [{ error: { cause: { message: 'fails' } } }, { error: { code: 'METHOD_NOT_FOUND' } }])
})

t.test('reload of a stopped service reads the new description, and leaves the service stopped', async (t) => {
  writeVersion('rests', 1)
  await server.put('rests', { module: 'rests.js' })
  await server.post('/v1/services/rests/stop')
  writeVersion('rests', 2, 'more: method({ handler: () => 1 }),')
  t.match((await reload('rests')).json, { state: 'stopped', changed: true, methods: ['version', 'more'] })
  writeFileSync(join(server.workers, 'rests.js'), 'export default {')
  isProblem(t, await reload('rests'), 'START_FAILED')
  t.match(await server.status('rests'), { state: 'stopped', methods: ['version', 'more'] })
  writeVersion('rests', 3)
  t.match((await server.post('/v1/services/rests/start')).json, { state: 'running', methods: ['version'] })
})

t.test('reload starts a failed service, with a full restart budget', async (t) => {
  writeFileSync(join(server.workers, 'mends.js'), 'throw new Error("broken")')
  t.match((await server.put('mends', { module: 'mends.js', restart: { maxRestarts: 0 } })).json, { state: 'failed' })
  isProblem(t, await reload('mends'), 'START_FAILED', { error: { message: 'broken' } })
  t.match(await server.status('mends'), { state: 'failed', crashReason: { message: 'broken' } })
  writeVersion('mends', 'mended')
  t.match((await reload('mends')).json, { state: 'running', crashReason: null })
  t.match(await server.call('mends', 'version'), { json: 'mended' })
})

t.test('a replacement during a start that hangs ends that start, and runs the calls that waited', async (t) => {
  writeFileSync(join(server.workers, 'hangs.js'), 'for (;;);')
  const first = server.put('hangs', { module: 'hangs.js' })
  await becomes('hangs to be registered', async () => (await server.get('/v1/services/hangs')).status === 200)
  await server.reaches('hangs', 'starting')
  const call = server.call('hangs', 'version')
  writeVersion('well', 'well')
  // Over HTTP, a second PUT would wait for the first one.
  const moduleUrl = `file://${join(server.workers, 'well.js')}`
  const registration = { module: 'well.js', moduleUrl, overrides: {}, description: undefined }
  await replaceVersion(server.service('hangs'), registration, async () => {})
  t.match(await call, { status: 200, json: 'well' })
  t.match(await first, { status: 201, json: { state: 'running' } })
})

t.test('a PUT is a conflict if the service is deleted before its old thread has finished', async (t) => {
  await server.put('deleted', { module: 'gate.js' })
  const held = server.call('deleted', 'hold', { token: 'deleted' })
  await server.logs.line('begun', { token: 'deleted' })
  const put = server.put('deleted', { module: 'gate.js', numWorkers: 3 })
  await becomes('the new thread to take over', () => server.service('deleted').options.numWorkers === 3)
  const deleted = server.delete('/v1/services/deleted')
  await becomes('deleted to be gone', async () => (await server.get('/v1/services/deleted')).status === 404)
  openGate('deleted')
  t.match(await held, { status: 200, json: 'deleted' })
  isProblem(t, await put, 'CONFLICT', { service: 'deleted', detail: /was deleted while it was registered/ })
  t.match(await deleted, { status: 204 })
})

t.test('a stop ends a replacement that is under way', async (t) => {
  await server.put('interrupted', { module: 'echo.js' })
  const source = `
    import { BroadcastChannel } from 'node:worker_threads'
    import { defineService, method } from 'threadplane/service'
    export default defineService({
      methods: { any: method({ handler: () => 'new' }) },
      onStart: async ({ logger }) => {
        const channel = new BroadcastChannel('let go: interrupted')
        const letGo = new Promise((resolve) => { channel.onmessage = resolve })
        logger.info('the new one waits')
        await letGo
        channel.close()
      },
    })`
  writeFileSync(join(server.workers, 'slow.js'), source)
  const put = server.put('interrupted', { module: 'slow.js' })
  await server.logs.line('the new one waits')
  t.match(await server.call('interrupted', 'any', 1), { json: 1 }, 'the old thread serves')
  t.match(await server.status('interrupted'), { state: 'running', threads: [{}, { state: 'starting' }] })
  t.match((await server.post('/v1/services/interrupted/stop')).json, { state: 'stopped', threads: { length: 0 } })
  isProblem(t, await put, 'CONFLICT', { detail: /was stopped while it was replaced/ })
  t.match((await server.post('/v1/services/interrupted/start')).json, { state: 'running', module: 'echo.js' })
  t.match(await server.call('interrupted', 'any', 1), { json: 1 })

  const again = server.put('interrupted', { module: 'slow.js' })
  await server.logs.line('the new one waits', {}, 2)
  letGo('interrupted')
  t.match(await again, { status: 200, json: { module: 'slow.js', state: 'running' } })
})
