/** Starting, stopping, pausing and crashing services, and what their supervisors make of it. */
import t from 'tap'
import { isProblem, openGate, serve, within } from '../http-helper.ts'

const server = await serve(t, {
  services: {
    echo: 'echo',
    gate: 'gate',
    dies: 'dies',
    starts: 'waits-to-start',
    loops: 'loops-at-import',
    lazy: 'not-by-itself',
  },
  start: false,
})
const act = (service: string, action: string, json?: unknown) => server.post(`/v1/services/${service}/${action}`, json)

t.test('start, pause, resume, stop: each says whether it changed anything', async (t) => {
  t.match(await act('echo', 'start'), {
    status: 200,
    json: { state: 'running', desiredState: 'running', changed: true },
  })
  t.match(await act('echo', 'start'), { status: 200, json: { state: 'running', changed: false } })
  t.match(await act('echo', 'pause'), { status: 200, json: { state: 'paused', changed: true } })
  t.match(await act('echo', 'pause'), { status: 200, json: { state: 'paused', changed: false } })
  t.match(await act('echo', 'resume'), { status: 200, json: { state: 'running', changed: true } })
  t.match(await act('echo', 'resume'), { status: 200, json: { state: 'running', changed: false } })
  t.match(await act('echo', 'stop'), {
    status: 200,
    json: { state: 'stopped', desiredState: 'stopped', changed: true },
  })
  t.match(await act('echo', 'stop'), { status: 200, json: { state: 'stopped', changed: false } })
})

t.test('concurrent starts are one start, and concurrent stops one stop', async (t) => {
  const started = await Promise.all([1, 2, 3].map(() => act('echo', 'start')))
  t.equal(started.filter(({ json }) => json.changed).length, 1)
  t.equal((await server.status('echo')).threads.length, 1)
  const stopped = await Promise.all([1, 2, 3].map(() => act('echo', 'stop')))
  t.equal(stopped.filter(({ json }) => json.changed).length, 1)
})

t.test('the status of a running service', async (t) => {
  await act('echo', 'start')
  const { json } = await server.get('/v1/services/echo')
  t.match(json, {
    name: 'echo',
    module: 'echo.js',
    description: 'Echoes',
    state: 'running',
    desiredState: 'running',
    threads: [{ id: Number, state: 'running', responsive: true, eventLoopUtilization: Number, heapUsedBytes: Number }],
    queue: { size: 0, running: 0, capacity: 10_000 },
    counts: { calls: 0, casts: 0, succeeded: 0, failed: 0, retried: 0 },
    restartBudget: { maxRestarts: 5, periodMs: 60_000, remaining: 5 },
    crashReason: null,
  })
  t.ok(json.methods.includes('byName'))
  const [{ lastWakeupAt, startedAt, heapUsedBytes }] = json.threads
  t.ok(lastWakeupAt >= startedAt && heapUsedBytes > 0)
})

t.test('restart gives another thread, and is counted', async (t) => {
  const before = await server.status('echo')
  const { status, json } = await act('echo', 'restart')
  t.match(
    { status, json },
    { status: 200, json: { state: 'running', changed: true, restartCount: before.restartCount + 1 } },
  )
  t.not(json.threads[0].id, before.threads[0].id)
  await act('echo', 'stop')
  t.match((await act('echo', 'restart')).json, { state: 'running', changed: true })
})

t.test('a stop runs what is queued first', async (t) => {
  await server.put('drains', { module: 'gate.js', numWorkers: 1, prefetch: 0 })
  const held = server.call('drains', 'hold', { token: 'drains' })
  await server.logs.line('begun', { token: 'drains' })
  const queued = server.call('drains', 'nap')
  await waiting('drains', 1)
  const stopped = act('drains', 'stop')
  await server.reaches('drains', 'stopping')
  openGate('drains')
  t.match(await held, { status: 200, json: 'drains' })
  t.match(await queued, { status: 200, json: 'rested' })
  t.match((await stopped).json, { state: 'stopped', changed: true, queue: { size: 0, running: 0 } })
})

t.test('a thread that dies while its service stops is not started again', async (t) => {
  await server.put('dying', { module: 'gate.js', restart: { backoffMs: 0, backoffMaxMs: 0 } })
  const held = server.call('dying', 'hold', { token: 'dying' })
  await server.logs.line('begun', { token: 'dying' })
  const stopped = act('dying', 'stop')
  await server.reaches('dying', 'stopping')
  server.service('dying').threads[0]?.crashThread('exit', 'it dies')
  isProblem(t, await held, 'THREAD_DIED')
  t.match((await stopped).json, { state: 'stopped', changed: true })
  await server.logs.line('dying crashed')
  t.match(await server.call('echo', 'any'), { status: 200 })
  t.match(await server.status('dying'), { state: 'stopped', desiredState: 'stopped' })
  t.match((await act('dying', 'start')).json, { state: 'running' })
  await act('dying', 'crash')
  await server.reaches('dying', 'running')
  t.match(await server.status('dying'), { restartCount: 1 }, 'it is supervised again')
})

t.test('a stop that does not drain rejects what is queued, and finishes what runs', async (t) => {
  await server.put('rejects', { module: 'gate.js', numWorkers: 2, prefetch: 0 })
  const held = ['one', 'two'].map((token) => server.call('rejects', 'hold', { token }))
  await server.logs.line('begun', { token: 'one' })
  await server.logs.line('begun', { token: 'two' })
  const queued = server.call('rejects', 'nap')
  await waiting('rejects', 1)
  const { json: cast } = await server.cast('rejects', 'nap')
  const stopped = server.post('/v1/services/rejects/stop?drain=false')
  isProblem(t, await queued, 'SERVICE_NOT_RUNNING', { service: 'rejects', method: 'nap', started: false })
  t.equal((await server.status('rejects')).state, 'stopping')
  t.match((await server.get(`/v1/jobs/${cast.id}`)).json, { state: 'queued', attempts: 0 }, 'casts are kept')
  openGate('one')
  openGate('two')
  t.match(await Promise.all(held), [{ json: 'one' }, { json: 'two' }])
  t.match((await stopped).json, { state: 'stopped', changed: true })
  isProblem(t, await server.post('/v1/services/rejects/stop?drain=perhaps'), 'MALFORMED_QUERY')
  await act('rejects', 'start')
  t.match(await server.finished(cast.id), { state: 'succeeded', attempts: 1 })
})

t.test('a stop is bounded by shutdownTimeoutMs, also where a thread loops for ever', async (t) => {
  await server.put('stuck', { module: 'echo.js', shutdownTimeoutMs: 50 })
  t.match((await act('stuck', 'crash', { kind: 'hang' })).json, { changed: true })
  t.match((await act('stuck', 'stop')).json, { state: 'stopped', changed: true })
  t.match((await act('stuck', 'start')).json, { state: 'running', changed: true })
  t.match(await server.call('stuck', 'any', 1), { json: 1 })
})

t.test('a start that is stopped meanwhile is a conflict', async (t) => {
  for (const [name, line] of [
    ['starts', 'waits to start'],
    ['loops', undefined],
  ] as const) {
    const start = act(name, 'start')
    if (line === undefined) await server.reaches(name, 'starting')
    else await server.logs.line(line, { service: name })
    t.match((await act(name, 'stop')).json, { state: 'stopped', changed: true })
    isProblem(t, await start, 'CONFLICT', { service: name, detail: /stopped while it started/ })
    t.match(await server.status(name), { state: 'stopped', desiredState: 'stopped' })
  }
})

t.test('crashes of every kind are seen, and healed by the supervisor', async (t) => {
  await server.put('crashes', { module: 'echo.js', restart: { maxRestarts: 10, backoffMs: 1, backoffMaxMs: 1 } })
  for (const [body, message] of [
    [undefined, /on purpose/],
    [{ reason: 'for a test' }, /for a test/],
    [{ kind: 'exception', reason: 'thrown' }, /thrown/],
    [{ kind: 'exit' }, /exited with code 1/],
  ] as const) {
    const { restartCount } = await server.status('crashes')
    const { status, json } = await act('crashes', 'crash', body)
    t.equal(status, 200)
    t.equal(json.changed, true)
    await server.reaches('crashes', 'running')
    t.match(await server.status('crashes'), { restartCount: restartCount + 1, crashReason: null })
    t.ok(server.logs.records.some(({ msg, err }) => msg === 'crashes crashed' && message.test((err as Error).message)))
  }
  isProblem(t, await act('crashes', 'crash', { kind: 'softly' }), 'VALIDATION_FAILED')
  isProblem(t, await act('crashes', 'crash', { reason: 'x'.repeat(1_001) }), 'VALIDATION_FAILED')
  isProblem(t, await act('crashes', 'crash', { nonsense: 1 }), 'VALIDATION_FAILED', {
    errors: [{ pointer: '/nonsense' }],
  })
})

t.test('more crashes than the budget allows, and the service has failed; a start has a fresh budget', async (t) => {
  await server.put('frail', { module: 'echo.js', restart: { maxRestarts: 2, backoffMs: 1, backoffMaxMs: 1 } })
  for (const remaining of [1, 0]) {
    await act('frail', 'crash')
    await server.reaches('frail', 'running')
    t.match(await server.status('frail'), { restartBudget: { maxRestarts: 2, remaining } })
  }
  await act('frail', 'crash', { reason: 'once too often' })
  await server.reaches('frail', 'failed')
  t.match(await server.status('frail'), { state: 'failed', crashReason: { name: 'Error', message: 'once too often' } })
  t.match((await act('frail', 'stop')).json, { state: 'stopped', changed: true })
  t.match((await act('frail', 'start')).json, { state: 'running', changed: true, restartBudget: { remaining: 2 } })
})

t.test('what waits in the queue of a service that crashes runs after its restart', async (t) => {
  await server.put('survives', { module: 'gate.js', numWorkers: 1, prefetch: 0 })
  const held = server.call('survives', 'hold', { token: 'dies' })
  await server.logs.line('begun', { token: 'dies' })
  const queued = server.call('survives', 'nap')
  await waiting('survives', 1)
  await act('survives', 'crash')
  isProblem(t, await held, 'THREAD_DIED', { started: true })
  t.match(await queued, { status: 200, json: 'rested' })
})

t.test('a thread that hangs is seen as not responding, and everything else answers', async (t) => {
  await server.put('hangs', { module: 'echo.js', shutdownTimeoutMs: 50 })
  t.match((await act('hangs', 'crash', { kind: 'hang' })).json, { state: 'running', changed: true })
  await server.logs.line('Thread keepalive is not responding', { service: 'hangs' })
  t.match(await server.status('hangs'), { state: 'running', threads: [{ responsive: false }] })
  t.match(await server.call('crashes', 'any', 1), { json: 1 })
  t.equal((await server.get('/livez')).status, 200)
  t.match((await act('hangs', 'restart')).json, { state: 'running', threads: [{ responsive: true }] })
})

t.test('strategies: oneForAll restarts all threads, forfeits give up', async (t) => {
  const restart = { backoffMs: 1, backoffMaxMs: 1 }
  await server.put('all', { module: 'dies.js', threads: 2, restart: { ...restart, strategy: 'oneForAll' } })
  const before = (await server.status('all')).threads.map(({ id }: { id: number }) => id)
  isProblem(t, await server.call('all', 'exit'), 'THREAD_DIED')
  await within(allRunning('all', before), 'both threads of "all" to be others')

  await server.put('forfeits', { module: 'echo.js', restart: { ...restart, strategy: 'forfeitOneForOne' } })
  await act('forfeits', 'crash')
  await server.reaches('forfeits', 'failed')
  t.match(await server.status('forfeits'), { restartCount: 0 })
  isProblem(t, await server.put('x', { module: 'echo.js', restart: { strategy: 'crashing' } }), 'VALIDATION_FAILED')
})

t.test('a stop in the middle of a restart is the last word', async (t) => {
  const restart = { strategy: 'oneForAll', backoffMs: 1, backoffMaxMs: 1 }
  await server.put('lastword', {
    module: 'gate.js',
    threads: 2,
    numWorkers: 1,
    prefetch: 0,
    shutdownTimeoutMs: 300,
    restart,
  })
  const held = server.call('lastword', 'hold', { token: 'last word' })
  await server.logs.line('begun', { token: 'last word' })
  // The thread that holds the call is stopped for the restart of both, which its call keeps from ending.
  const idle = server.service('lastword').threads.find((thread) => thread.running === 0)
  idle?.crashThread('exit', 'crashed')
  await server.reaches('lastword', 'starting')
  await act('lastword', 'stop')
  await held
  t.match(await server.status('lastword'), { state: 'stopped', desiredState: 'stopped' })
  await server.get('/livez')
  t.match(await server.status('lastword'), { state: 'stopped' })
  await server.delete('/v1/services/lastword')
})

t.test('threads: 2 share the work, and one crash does not stop the service', async (t) => {
  await server.put('twins', { module: 'gate.js', threads: 2, numWorkers: 1, prefetch: 0 })
  t.match(await server.status('twins'), { threads: [{ state: 'running' }, { state: 'running' }] })
  const held = ['left', 'right'].map((token) => server.call('twins', 'hold', { token }))
  await server.logs.line('begun', { token: 'left' })
  await server.logs.line('begun', { token: 'right' })
  t.match(await server.status('twins'), { queue: { running: 2 } }, 'each runs one')
  server.service('twins').threads[0]?.crashThread('exit', 'one of two')
  const [first, second] = held as [Promise<unknown>, Promise<unknown>]
  t.match(await Promise.race([first, second]), { json: { code: 'THREAD_DIED' } })
  t.equal((await server.status('twins')).state, 'running')
  t.match(await server.call('twins', 'nap'), { json: 'rested' })
  server.service('twins').threads[1]?.crashThread('exit', 'the other')
  await Promise.all(held)
})

t.test('autostart: false leaves it stopped until it is told to start', async (t) => {
  t.match(await server.status('lazy'), { state: 'stopped' })
  t.match((await server.put('lazy2', { module: 'lazy.js' })).json, {
    state: 'stopped',
    desiredState: 'stopped',
    methods: ['go'],
  })
  t.match((await act('lazy2', 'start')).json, { state: 'running', desiredState: 'running', changed: true })
  t.match((await server.put('lazy3', { module: 'lazy.js', autostart: true })).json, { state: 'running' })
})

t.test('the last of contrary wishes is what remains', async (t) => {
  await server.put('wishes', { module: 'echo.js' })
  await Promise.all(['stop', 'start', 'stop', 'restart', 'stop'].map((wish) => act('wishes', wish)))
  await act('wishes', 'stop')
  t.match(await server.status('wishes'), { state: 'stopped', desiredState: 'stopped' })
  await Promise.all(['start', 'stop', 'start'].map((wish) => act('wishes', wish)))
  await act('wishes', 'start')
  t.match(await server.status('wishes'), { state: 'running', desiredState: 'running' })
  t.match(await server.call('wishes', 'any', 1), { json: 1 })
})

async function allRunning(name: string, before: number[]): Promise<void> {
  for (;;) {
    const { threads } = await server.status(name)
    const fresh = threads.filter(
      ({ id, state }: { id: number; state: string }) => state === 'running' && !before.includes(id),
    )
    if (fresh.length === before.length) return
  }
}

async function waiting(service: string, size: number): Promise<void> {
  const seen = async () => {
    while (server.service(service).waiting !== size) await server.get('/livez')
  }
  await within(seen(), `${size} waiting methods`)
}
