/** PATCH changes the options of a running service: in place if possible, else with new threads. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Answer, isProblem, openGate, serve, type TestServer } from '../http-helper.ts'

const server = await serve(t, { services: { echo: 'echo', gate: 'gate', gives: 'fails-to-start' } })

const patch = (service: string, json: unknown, on = server) => on.request('PATCH', `/v1/services/${service}`, { json })
const ids = (status: Answer['json']): number[] => status.threads.map(({ id }: { id: number }) => id)

t.test('an option that needs no new thread is changed in place, and queued calls stay queued', async (t) => {
  await server.put('inplace', { module: 'gate.js', numWorkers: 1, prefetch: 0 })
  const before = ids(await server.status('inplace'))
  const held = server.call('inplace', 'hold', { token: 'in place' })
  await server.logs.line('begun', { token: 'in place' })
  const waiting = [server.call('inplace', 'nap'), server.call('inplace', 'nap')]
  await server.waiting('inplace', 2)
  const { status, json } = await patch('inplace', {
    queueCapacity: 1,
    queueBytes: 2_048,
    cancelGraceMs: 5,
    startTimeoutMs: 9_000,
    shutdownTimeoutMs: 4_000,
    required: true,
    autostart: false,
    dependsOn: ['echo'],
    restart: { maxRestarts: 7 },
  })
  t.match(
    { status, json },
    {
      status: 200,
      json: {
        state: 'running',
        queue: { size: 2, running: 1, capacity: 1 },
        restartBudget: { maxRestarts: 7, remaining: 7 },
        options: { cancelGraceMs: 5, dependsOn: ['echo'], required: true, numWorkers: 1, restart: { backoffMs: 1 } },
      },
    },
  )
  t.same(ids(json), before, 'the same thread')
  isProblem(t, await server.call('inplace', 'nap'), 'QUEUE_FULL')
  openGate('in place')
  t.match(await Promise.all([held, ...waiting]), [{ json: 'in place' }, { json: 'rested' }, { json: 'rested' }])
})

t.test('a new cancelGraceMs applies to methods that run already', async (t) => {
  await server.put('grace', { module: 'gate.js', cancelGraceMs: 60_000 })
  const [before] = ids(await server.status('grace'))
  const { json: cast } = await server.cast('grace', 'stubborn', { token: 'grace' })
  await server.logs.line('begun', { token: 'grace' })
  t.match(await server.post(`/v1/jobs/${cast.id}/cancel`), { json: { state: 'cancelled' } })
  t.same(ids((await patch('grace', { cancelGraceMs: 0 })).json), [before])
  await server.logs.line('the thread is retired: a method goes on after its deadline', { service: 'grace' })
})

t.test('an option that a thread gets at its start is changed with new threads', async (t) => {
  await server.put('bynew', { module: 'echo.js', threads: 2 })
  const before = ids(await server.status('bynew'))
  const { json } = await patch('bynew', { maxResultBytes: 5 })
  t.match(json, { state: 'running', restartCount: 0, options: { maxResultBytes: 5, threads: 2 } })
  t.notOk(ids(json).some((id) => before.includes(id)))
  isProblem(t, await server.call('bynew', 'sized', 9), 'RESULT_NOT_SERIALIZABLE', { detail: /5 bytes/ })
  t.same(ids((await patch('bynew', { maxResultBytes: 5 })).json), ids(json), 'an unchanged option needs no new threads')
  const { json: both } = await patch('bynew', { numWorkers: 4, threads: 1, maxResultBytes: null })
  t.match(both, { threads: { length: 1 }, options: { numWorkers: 4, maxResultBytes: 10_000 } })
  t.match(await server.call('bynew', 'sized', 9), { status: 200 })
})

t.test('null restores the option of the module, and concurrent changes apply one after the other', async (t) => {
  await server.put('layers', { module: 'echo.js', maxResultBytes: 7, restart: { maxRestarts: 3, periodMs: 1_000 } })
  t.match((await patch('layers', { restart: { maxRestarts: null, backoffMs: 9 } })).json.options.restart, {
    maxRestarts: 5,
    periodMs: 1_000,
    backoffMs: 9,
    backoffMaxMs: 1,
  })
  t.match((await patch('layers', { restart: null, maxResultBytes: null })).json.options, {
    maxResultBytes: 10_000,
    restart: { maxRestarts: 5, periodMs: 60_000, backoffMs: 1 },
  })
  const threads = [3, 1, 4, 2]
  await Promise.all(threads.map((count) => patch('layers', { threads: count })))
  t.match(await server.status('layers'), { options: { threads: 2 }, threads: { length: 2 } })
})

t.test('a change that is refused changes nothing', async (t) => {
  const before = await server.status('echo')
  for (const [change, pointer] of [
    [{ nonsense: 1 }, '/nonsense'],
    [{ module: 'gate.js' }, '/module'],
    [{ threads: 0 }, '/threads'],
    [{ threads: '2' }, '/threads'],
    [{ autostart: 'yes' }, '/autostart'],
    [{ restart: { nonsense: null } }, '/restart/nonsense'],
    [{ restart: { strategy: 'crashing' } }, '/restart/strategy'],
    [{ limits: { stackSizeMb: 0 } }, '/limits/stackSizeMb'],
    [{ dependsOn: 'gate' }, '/dependsOn'],
    [{ dependsOn: ['a b'] }, '/dependsOn/0'],
    [{ dependsOn: ['nobody'] }, '/dependsOn'],
  ] as const) {
    isProblem(t, await patch('echo', change), 'VALIDATION_FAILED', { errors: [{ pointer }] })
  }
  for (const body of [[], null, 'threads', 1]) isProblem(t, await patch('echo', body), 'VALIDATION_FAILED')
  isProblem(t, await patch('nobody', { threads: 2 }), 'SERVICE_NOT_FOUND')
  t.match(await server.status('echo'), { options: before.options, threads: [{ id: before.threads[0].id }] })
  t.match(await patch('echo', {}), { status: 200, json: { options: before.options } })
})

t.test('new threads that do not start are not added, and the old ones go on', async (t) => {
  const [before] = ids(await server.status('gives'))
  process.env.FAILS_TO_START = 'no more of it'
  t.teardown(() => delete process.env.FAILS_TO_START)
  const expected = { service: 'gives', error: { message: /no more of it/ } }
  isProblem(t, await patch('gives', { threads: 3 }), 'START_FAILED', expected)
  isProblem(t, await patch('gives', { numWorkers: 9 }), 'START_FAILED', expected)
  t.match(await server.status('gives'), { state: 'running', options: { threads: 1, numWorkers: 2 }, restartCount: 0 })
  t.same(ids(await server.status('gives')), [before])
  t.match(await server.call('gives', 'go'), { json: 'went' })
})

t.test('a removed thread finishes the methods it has begun, and the thread that runs fewest is removed', async (t) => {
  await server.put('shrinks', { module: 'gate.js', threads: 2, numWorkers: 2, prefetch: 0, shutdownTimeoutMs: 50 })
  const held = ['one', 'two', 'three'].map((token) => server.call('shrinks', 'hold', { token }))
  for (const token of ['one', 'two', 'three']) await server.logs.line('begun', { token })
  const { threads } = server.service('shrinks')
  const busiest = threads.find((thread) => thread.running === 2)
  const { json } = await patch('shrinks', { threads: 1 })
  t.match(json, {
    queue: { running: 3 },
    threads: [
      { id: busiest?.threadId, draining: false },
      { state: 'running', draining: true },
    ],
  })
  for (const token of ['one', 'two', 'three']) openGate(token)
  t.match(await Promise.all(held), [{ json: 'one' }, { json: 'two' }, { json: 'three' }])
  await server.threads('shrinks', 1)
})

t.test('after a crash of one of several threads, the others serve', async (t) => {
  const restart = { backoffMs: 60_000, backoffMaxMs: 60_000 }
  await server.put('each', { module: 'echo.js', threads: 3, restart })
  const [one] = server.service('each').threads
  one?.crashThread('exit', 'one of three')
  await server.logs.line('each crashed')
  t.match(await server.status('each'), {
    state: 'running',
    restartBudget: { remaining: 4 },
    threads: [{ state: 'crashed' }, { state: 'running' }, { state: 'running' }],
  })
  for (let n = 0; n < 5; n += 1) t.match(await server.call('each', 'any', n), { json: n })
  t.match((await patch('each', { threads: 2 })).json, { threads: [{ state: 'running' }, { state: 'running' }] })
})

t.test('options of a service that does not run are changed for its next start', async (t) => {
  await server.put('later', { module: 'echo.js', restart: { backoffMs: 60_000, backoffMaxMs: 60_000, maxRestarts: 1 } })
  await server.post('/v1/services/later/stop')
  t.match((await patch('later', { threads: 2, maxResultBytes: 5 })).json, { state: 'stopped' })
  t.match((await server.post('/v1/services/later/start')).json, {
    threads: [{ state: 'running' }, { state: 'running' }],
  })
  isProblem(t, await server.call('later', 'sized', 9), 'RESULT_NOT_SERIALIZABLE')
  await server.post('/v1/services/later/crash')
  await server.reaches('later', 'failed', 'backoff')
  t.match((await patch('later', { maxResultBytes: 50, restart: { maxRestarts: 9 } })).json, {
    state: /failed|backoff/,
    restartBudget: { maxRestarts: 9 },
  })
  await server.post('/v1/services/later/start')
  t.match(await server.call('later', 'sized', 9), { status: 200 })
})

t.test('a new strategy or group takes over a restart that waits, and a failed service stays failed', async (t) => {
  const restart = { backoffMs: 60_000, backoffMaxMs: 60_000 }
  await server.put('moves', { module: 'echo.js', restart })
  await server.post('/v1/services/moves/crash')
  await server.reaches('moves', 'backoff')
  await patch('moves', { restart: { strategy: 'oneForAll', group: 'movers', backoffMs: 1, backoffMaxMs: 1 } })
  await server.reaches('moves', 'running')
  await patch('moves', { restart: { strategy: 'forfeitOneForOne', group: null } })
  await server.post('/v1/services/moves/crash')
  await server.reaches('moves', 'failed')
  t.match((await patch('moves', { restart: { strategy: 'oneForOne' } })).json, { state: 'failed' })
  t.match((await server.post('/v1/services/moves/start')).json, { state: 'running' })
})

t.test('changes survive a restart of the server, also for a service that was never registered over HTTP', async (t) => {
  const first = await serve(t, { services: { echo: 'echo' } })
  await first.put('mine', { module: 'echo.js', queueCapacity: 3 })
  await patch('echo', { threads: 2, restart: { maxRestarts: 1 } }, first)
  await patch('mine', { queueCapacity: null, maxResultBytes: 5 }, first)
  await first.close()
  const second = await serve(t, { services: {}, folder: first.folder })
  t.match(await second.status('echo'), { threads: { length: 2 }, restartBudget: { maxRestarts: 1 } })
  t.match(await second.status('mine'), { options: { queueCapacity: 10_000, maxResultBytes: 5 } })
})

t.test('a reload follows the number of threads in the module: it starts more, or removes some', async (t) => {
  const write = (threads: number, to: TestServer) =>
    writeFileSync(
      join(to.workers, 'asks.js'),
      `import { defineService, method } from 'threadplane/service'
      export default defineService({ threads: ${threads}, methods: { go: method({ handler: () => ${threads} }) } })`,
    )
  for (const threads of [2, 3, 1]) {
    write(threads, server)
    const { json } =
      threads === 2 ? await server.put('asks', { module: 'asks.js' }) : await server.post('/v1/services/asks/reload')
    t.match(json, { threads: { length: threads }, options: { threads } })
    t.match(await server.call('asks', 'go'), { json: threads })
  }
})
