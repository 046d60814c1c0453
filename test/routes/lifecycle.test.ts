/** Starting, stopping, pausing and crashing services, and their restarts after crashes. */
import t from 'tap'
import { shorten } from '../helper.ts'
import { becomes, isProblem, openGate, serve } from '../http-helper.ts'

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

t.test('start, pause, resume and stop say whether they changed anything', async (t) => {
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

t.test('concurrent starts start the service once, and concurrent stops stop it once', async (t) => {
  const started = await Promise.all([1, 2, 3].map(() => act('echo', 'start')))
  t.equal(started.filter(({ json }) => json.changed).length, 1)
  t.equal((await server.status('echo')).threads.length, 1)
  const stopped = await Promise.all([1, 2, 3].map(() => act('echo', 'stop')))
  t.equal(stopped.filter(({ json }) => json.changed).length, 1)
})

t.test('a running service has a complete status', async (t) => {
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

t.test('restart starts a new thread, and is counted', async (t) => {
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

t.test('a stop first runs the queued calls', async (t) => {
  await server.put('drains', { module: 'gate.js', numWorkers: 1, prefetch: 0 })
  const held = server.call('drains', 'hold', { token: 'drains' })
  await server.logs.line('begun', { token: 'drains' })
  const queued = server.call('drains', 'nap')
  await server.waiting('drains', 1)
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
  await server.restarted('dying', 1)
  t.match(await server.status('dying'), { restartCount: 1 }, 'the service is supervised again')
})

t.test('a stop with drain=false rejects the queued calls, and finishes the running ones', async (t) => {
  await server.put('rejects', { module: 'gate.js', numWorkers: 2, prefetch: 0 })
  const held = ['one', 'two'].map((token) => server.call('rejects', 'hold', { token }))
  await server.logs.line('begun', { token: 'one' })
  await server.logs.line('begun', { token: 'two' })
  const queued = server.call('rejects', 'nap')
  await server.waiting('rejects', 1)
  const { json: cast } = await server.cast('rejects', 'nap')
  const stopped = server.post('/v1/services/rejects/stop?drain=false')
  isProblem(t, await queued, 'SERVICE_NOT_RUNNING', { service: 'rejects', method: 'nap', started: false })
  t.equal((await server.status('rejects')).state, 'stopping')
  const job = async () => (await server.get(`/v1/jobs/${cast.id}`)).json
  await becomes('the cast to go back to the store', async () => (await job()).state === 'queued')
  t.match(await job(), { attempts: 0, history: [] })
  openGate('one')
  openGate('two')
  t.match(await Promise.all(held), [{ json: 'one' }, { json: 'two' }])
  t.match((await stopped).json, { state: 'stopped', changed: true })
  isProblem(t, await server.post('/v1/services/rejects/stop?drain=perhaps'), 'MALFORMED_QUERY')
  await act('rejects', 'start')
  t.match(await server.finished(cast.id), { state: 'succeeded', attempts: 1 })
})

t.test('a stop takes at most shutdownTimeoutMs, also if a thread loops for ever', async (t) => {
  await server.put('stuck', { module: 'echo.js', shutdownTimeoutMs: 50 })
  t.match((await act('stuck', 'crash', { kind: 'hang' })).json, { changed: true })
  t.match((await act('stuck', 'stop')).json, { state: 'stopped', changed: true })
  t.match((await act('stuck', 'start')).json, { state: 'running', changed: true })
  t.match(await server.call('stuck', 'any', 1), { json: 1 })
})

t.test('a start is a conflict if the service is stopped before it has started', async (t) => {
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

t.test('after a crash of any kind the supervisor restarts the service', async (t) => {
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
    await server.restarted('crashes', restartCount + 1)
    t.match(await server.status('crashes'), { restartCount: restartCount + 1, crashReason: null })
    t.ok(server.logs.records.some(({ msg, err }) => msg === 'crashes crashed' && message.test((err as Error).message)))
  }
  isProblem(t, await act('crashes', 'crash', { kind: 'softly' }), 'VALIDATION_FAILED')
  isProblem(t, await act('crashes', 'crash', { reason: 'x'.repeat(1_001) }), 'VALIDATION_FAILED')
  isProblem(t, await act('crashes', 'crash', { nonsense: 1 }), 'VALIDATION_FAILED', {
    errors: [{ pointer: '/nonsense' }],
  })
})

t.test('after more crashes than the budget allows, the service has failed; a start has a full budget', async (t) => {
  await server.put('frail', { module: 'echo.js', restart: { maxRestarts: 2, backoffMs: 1, backoffMaxMs: 1 } })
  for (const remaining of [1, 0]) {
    await act('frail', 'crash')
    await server.restarted('frail', 2 - remaining)
    t.match(await server.status('frail'), { restartBudget: { maxRestarts: 2, remaining } })
  }
  await act('frail', 'crash', { reason: 'once too often' })
  await server.reaches('frail', 'failed')
  t.match(await server.status('frail'), { state: 'failed', crashReason: { name: 'Error', message: 'once too often' } })
  t.match((await act('frail', 'stop')).json, { state: 'stopped', changed: true })
  t.match((await act('frail', 'start')).json, { state: 'running', changed: true, restartBudget: { remaining: 2 } })
})

t.test('calls that wait in the queue during a crash run after the restart', async (t) => {
  await server.put('survives', { module: 'gate.js', numWorkers: 1, prefetch: 0 })
  const held = server.call('survives', 'hold', { token: 'dies' })
  await server.logs.line('begun', { token: 'dies' })
  const queued = server.call('survives', 'nap')
  await server.waiting('survives', 1)
  await act('survives', 'crash')
  isProblem(t, await held, 'THREAD_DIED', { started: true })
  t.match(await queued, { status: 200, json: 'rested' })
})

t.test('a thread that hangs is reported as not responding, and other services answer', async (t) => {
  shorten(t, { heartbeatEveryMs: 50, checkEveryMs: 50 })
  await server.put('hangs', { module: 'echo.js', shutdownTimeoutMs: 50 })
  // Not before the start: on a busy machine it may take a second.
  shorten(t, { unresponsiveAfterMs: 1_000 })
  t.match((await act('hangs', 'crash', { kind: 'hang' })).json, { state: 'running', changed: true })
  await becomes('the thread to be silent', async () => (await server.status('hangs')).threads[0]?.responsive === false)
  t.ok(server.logs.has('Thread keepalive is not responding', { service: 'hangs' }))
  t.equal((await server.status('hangs')).state, 'running')
  t.match(await server.call('crashes', 'any', 1), { json: 1 })
  t.equal((await server.get('/livez')).status, 200)
  t.match((await act('hangs', 'restart')).json, { state: 'running', threads: [{ responsive: true }] })
})

t.test('oneForAll restarts all threads after a crash of one; forfeitOneForOne restarts none', async (t) => {
  const restart = { backoffMs: 1, backoffMaxMs: 1 }
  await server.put('all', { module: 'dies.js', threads: 2, restart: { ...restart, strategy: 'oneForAll' } })
  const before = (await server.status('all')).threads.map(({ id }: { id: number }) => id)
  isProblem(t, await server.call('all', 'exit'), 'THREAD_DIED')
  await becomes('both threads of "all" to be new', () => {
    const { threads } = server.service('all')
    return threads.every(({ state, threadId }) => state === 'running' && threadId !== 0 && !before.includes(threadId))
  })
  t.equal((await server.status('all')).threads.length, 2)

  await server.put('forfeits', { module: 'echo.js', restart: { ...restart, strategy: 'forfeitOneForOne' } })
  await act('forfeits', 'crash')
  await server.reaches('forfeits', 'failed')
  t.match(await server.status('forfeits'), { restartCount: 0 })
  isProblem(t, await server.put('x', { module: 'echo.js', restart: { strategy: 'crashing' } }), 'VALIDATION_FAILED')
})

t.test('a stop during a restart ends the restart', async (t) => {
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
  // The crash restarts both threads. The held call keeps its thread from stopping, and so the restart from ending.
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

t.test('two threads share the calls, and a crash of one does not stop the service', async (t) => {
  await server.put('twins', { module: 'gate.js', threads: 2, numWorkers: 1, prefetch: 0 })
  t.match(await server.status('twins'), { threads: [{ state: 'running' }, { state: 'running' }] })
  const held = ['left', 'right'].map((token) => server.call('twins', 'hold', { token }))
  await server.logs.line('begun', { token: 'left' })
  await server.logs.line('begun', { token: 'right' })
  t.match(await server.status('twins'), { queue: { running: 2 } }, 'each thread runs one call')
  server.service('twins').threads[0]?.crashThread('exit', 'one of two')
  const [first, second] = held as [Promise<unknown>, Promise<unknown>]
  t.match(await Promise.race([first, second]), { json: { code: 'THREAD_DIED' } })
  t.equal((await server.status('twins')).state, 'running')
  t.match(await server.call('twins', 'nap'), { json: 'rested' })
  server.service('twins').threads[1]?.crashThread('exit', 'the other')
  await Promise.all(held)
})

t.test('a service with autostart: false is not started until a client starts it', async (t) => {
  t.match(await server.status('lazy'), { state: 'stopped' })
  t.match((await server.put('lazy2', { module: 'lazy.js' })).json, {
    state: 'stopped',
    desiredState: 'stopped',
    methods: ['go'],
  })
  t.match((await act('lazy2', 'start')).json, { state: 'running', desiredState: 'running', changed: true })
  t.match((await server.put('lazy3', { module: 'lazy.js', autostart: true })).json, { state: 'running' })
})

t.test('of contrary requests at the same time, the last one decides', async (t) => {
  await server.put('wishes', { module: 'echo.js' })
  await Promise.all(['stop', 'start', 'stop', 'restart', 'stop'].map((wish) => act('wishes', wish)))
  await act('wishes', 'stop')
  t.match(await server.status('wishes'), { state: 'stopped', desiredState: 'stopped' })
  await Promise.all(['start', 'stop', 'start'].map((wish) => act('wishes', wish)))
  await act('wishes', 'start')
  t.match(await server.status('wishes'), { state: 'running', desiredState: 'running' })
  t.match(await server.call('wishes', 'any', 1), { json: 1 })
})
