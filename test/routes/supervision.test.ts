/** What supervisors do after crashes, seen over HTTP: crash loops and restart groups. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { RestartGroups } from '../../src/supervision/restart-groups.ts'
import { Service } from '../../src/supervision/service.ts'
import { resolveServiceOptions } from '../../src/contract/options.ts'
import { isProblem, serve } from '../http-helper.ts'

const server = await serve(t, { services: { echo: 'echo' }, start: false })
const act = (service: string, action: string, json?: unknown) => server.post(`/v1/services/${service}/${action}`, json)
const launches = () => server.logs.lines('launched', { service: 'loops' }).length

t.test(
  'a service that always crashes is restarted maxRestarts times, then has failed, and is not started again',
  async (t) => {
    writeFileSync(
      join(server.workers, 'loops.js'),
      `import { defineService, method } from 'threadplane/service'
    export default defineService({
      methods: { go: method({ handler: () => 1 }) },
      restart: { maxRestarts: 4, backoffMs: 1, backoffMaxMs: 4 },
      onThreadStarted: ({ logger }) => {
        logger.info('launched')
        setImmediate(() => { throw new Error('after its start') })
      },
    })`,
    )
    await server.put('loops', { module: 'loops.js' })
    await server.reaches('loops', 'failed')
    t.match(await server.status('loops'), {
      state: 'failed',
      desiredState: 'running',
      restartCount: 4,
      restartBudget: { maxRestarts: 4, remaining: 0 },
      crashReason: { message: 'after its start' },
    })
    t.equal(launches(), 5)
    // Longer than any backoff of this service.
    await sleep(50)
    t.equal(launches(), 5)
    isProblem(t, await server.call('loops', 'go'), 'SERVICE_NOT_RUNNING', { detail: /failed/ })
    await act('loops', 'start')
    await server.reaches('loops', 'failed')
    t.equal(launches(), 10, 'a start has a full budget')
  },
)

t.test(
  'a module that can never be loaded is refused by PUT; started, it fails at once, with one line that says where',
  async (t) => {
    const file = join(server.workers, 'never.js')
    const works =
      "import { defineService } from 'threadplane/service'\nexport default defineService({ methods: { go: { handler: () => 1 } } })"
    const restart = { maxRestarts: 4, backoffMs: 1, backoffMaxMs: 1 }
    for (const [name, code, place] of [
      ['syntax', 'const\nexport default 1\n', /never\.js:2:\d+\)$/],
      ['missing-file', 'import "./not-there.js"', /not-there\.js.* imported from .*never\.js/],
      ['missing-package', 'import "no-such-package"', /no-such-package.* imported from .*never\.js/],
      ['missing-export', 'import { nothing } from "node:fs"', /nothing.*never\.js:1\)$/],
      ['commonjs', 'module.exports = {}', /module is not defined in ES module scope/],
      ['no-service', 'export default 1', /default export is not a service/],
    ] as const) {
      await t.test(name, async (t) => {
        writeFileSync(file, code)
        const refused = await server.put('refused', { module: 'never.js', restart })
        isProblem(t, refused, 'MODULE_REFUSED', { detail: place })
        isProblem(t, await server.get('/v1/services/refused'), 'SERVICE_NOT_FOUND')

        writeFileSync(file, works)
        t.match(await server.put(name, { module: 'never.js', restart }), { status: 201 })
        writeFileSync(file, code)
        isProblem(t, await server.post(`/v1/services/${name}/restart`), 'START_FAILED', { detail: place })
        const status = await server.status(name)
        t.match(status, { state: 'failed', restartCount: 1, crashReason: { message: place } })
        // A busy machine may also hold up the thread itself.
        const of = server.logs.records.filter(
          ({ service, level, msg }) => service === name && level >= 40 && !/keepalive/.test(String(msg)),
        )
        t.match(of, [{ level: 60, module: file, err: undefined, msg: /^the module of .* cannot be loaded: / }])
        t.equal(of.length, 1)
        writeFileSync(file, works)
        t.match(await server.post(`/v1/services/${name}/start`), { status: 200, json: { state: 'running' } })
      })
    }
  },
)

t.test('a module that cannot be loaded in the restart after a crash is tried again', async () => {
  const file = join(server.workers, 'deployed.js')
  const works =
    "import { defineService } from 'threadplane/service'\nexport default defineService({ methods: { go: { handler: () => 1 } } })"
  writeFileSync(file, works)
  await server.put('deployed', {
    module: 'deployed.js',
    restart: { maxRestarts: 5, backoffMs: 200, backoffMaxMs: 200 },
  })
  writeFileSync(file, '')
  await server.post('/v1/services/deployed/crash', {})
  const why = 'its default export is missing: write "export default defineService({ ... })"'
  await server.logs.line(`the module of deployed cannot be loaded: ${why}`)
  writeFileSync(file, works)
  await server.reaches('deployed', 'running')
})

t.test('slow starts that fail spend the restart budget, although each takes longer than its period', async (t) => {
  writeFileSync(
    join(server.workers, 'slowly.js'),
    `import { setTimeout as sleep } from 'node:timers/promises'
    import { defineService, method } from 'threadplane/service'
    export default defineService({
      methods: { go: method({ handler: () => 1 }) },
      onThreadStarted: async () => { await sleep(60); throw new Error('late') },
    })`,
  )
  // Each start takes longer than the period.
  const restart = { maxRestarts: 3, periodMs: 50, backoffMs: 1, backoffMaxMs: 1 }
  await server.put('slowly', { module: 'slowly.js', restart })
  await server.reaches('slowly', 'failed')
  t.match(await server.status('slowly'), { restartCount: 3, crashReason: { message: 'late' } })
})

t.test(
  'in a group with oneForAll, a crash of one service restarts all, and costs their budget one restart',
  async (t) => {
    const restart = { group: 'together', strategy: 'oneForAll', maxRestarts: 5, backoffMs: 1, backoffMaxMs: 1 }
    for (const name of ['left', 'right']) await server.put(name, { module: 'echo.js', restart })
    await server.put('apart', { module: 'echo.js' })
    const before = await Promise.all(['left', 'right', 'apart'].map((name) => server.status(name)))
    await act('left', 'crash')
    await Promise.all(['left', 'right'].map((name) => server.restarted(name, 1)))
    const after = await Promise.all(['left', 'right', 'apart'].map((name) => server.status(name)))
    for (const index of [0, 1]) {
      t.not(after[index].threads[0].id, before[index].threads[0].id)
      t.match(after[index], { restartCount: 1, restartBudget: { maxRestarts: 5, remaining: 4 } })
    }
    t.equal(after[2].threads[0].id, before[2].threads[0].id)
    t.match(await server.call('right', 'any', 1), { json: 1 })

    await act('right', 'stop')
    await act('left', 'crash')
    await server.restarted('left', 2)
    t.equal((await server.status('right')).state, 'stopped', 'a stopped service stays stopped')
    for (const name of ['left', 'right']) await server.delete(`/v1/services/${name}`)
  },
)

t.test('in a group with forfeitOneForAll, a crash of one service ends all, and each has a crashReason', async (t) => {
  const restart = { group: 'fragile', strategy: 'forfeitOneForAll' }
  for (const name of ['first', 'second']) await server.put(name, { module: 'echo.js', restart })
  await act('first', 'crash', { reason: 'the first' })
  await server.reaches('second', 'failed')
  t.match(await server.status('first'), { state: 'failed', crashReason: { message: 'the first' } })
  t.match(await server.status('second'), { state: 'failed', crashReason: { message: /given up with others/ } })
  isProblem(t, await server.call('second', 'any'), 'SERVICE_NOT_RUNNING')
  t.match((await act('second', 'start')).json, { state: 'running', crashReason: null })
  t.equal((await server.status('first')).state, 'failed', 'a start of one service starts no other')
})

t.test('a group has the strategy of its first member, and another strategy is logged', async (t) => {
  await server.put('founder', { module: 'echo.js', restart: { group: 'mixed', strategy: 'oneForAll' } })
  await server.put('guest', { module: 'echo.js', restart: { group: 'mixed', strategy: 'oneForOne' } })
  t.ok(await server.logs.line('its strategy is not oneForOne: the group has another already', { service: 'guest' }))
})

t.test('a group ends when its last member leaves', (t) => {
  const groups = new RestartGroups(server.logs.logger)
  const { restart } = resolveServiceOptions({ restart: { group: 'g' } })
  const [a, b] = [new Service({ name: 'a' }), new Service({ name: 'b' })]
  const supervisor = groups.join('a', restart)
  supervisor.add(a)
  t.equal(groups.join('b', restart), supervisor)
  supervisor.add(b)
  groups.leave(supervisor, [a])
  t.equal(groups.join('c', restart), supervisor)
  groups.leave(supervisor, [b])
  t.equal(a.supervisor, undefined)
  t.not(groups.join('d', restart), supervisor)
  t.not(groups.join('x', resolveServiceOptions().restart), groups.join('x', resolveServiceOptions().restart))
  t.end()
})

t.test('the strategy crashing is refused over HTTP, with the strategies that are accepted', async (t) => {
  isProblem(
    t,
    await server.put('brings-down', { module: 'echo.js', restart: { strategy: 'crashing' } }),
    'VALIDATION_FAILED',
    {
      errors: [{ pointer: '/restart/strategy', message: /oneForOne, oneForAll, forfeitOneForOne, forfeitOneForAll/ }],
    },
  )
  isProblem(t, await server.get('/v1/services/brings-down'), 'SERVICE_NOT_FOUND')
})
