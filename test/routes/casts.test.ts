/** Casts and their jobs: accepted, retried, waited for, cancelled, listed, retried by a client and deleted. */
import { setMaxListeners } from 'node:events'
import t, { type Test } from 'tap'
import { type Answer, isProblem, openGate, serve } from '../http-helper.ts'

const server = await serve(t, {
  services: { echo: 'echo', gate: 'gate', fails: 'fails', dies: 'dies', refines: 'refines', single: 'gate' },
  start: false,
})
const started = ['echo', 'gate', 'fails', 'dies', 'refines'].map((name) => server.post(`/v1/services/${name}/start`))
await Promise.all([...started, server.put('single', { module: 'gate.js', numWorkers: 1 })])

/** The job of an accepted cast. */
const accepted = (t: Test, { status, headers, json }: Answer) => {
  t.equal(status, 202)
  t.equal(headers.location, `/v1/jobs/${json.id}`)
  return json
}
const outcome = async (t: Test, cast: Answer) => server.finished(accepted(t, cast).id)

t.test('a cast is answered with its job, and Location has the URL of the job', async (t) => {
  const cast = await server.cast('echo', 'any', { a: 1 })
  const job = accepted(t, cast)
  t.match(job, {
    id: /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/,
    service: 'echo',
    method: 'any',
    state: 'queued',
    attempts: 0,
    history: [],
    maxAttempts: 3,
    priority: 5,
    progress: null,
    startedAt: null,
    finishedAt: null,
    notBefore: null,
    expiresAt: null,
  })
  t.notOk('result' in job || 'error' in job || 'payload' in job)
  await server.finished(job.id)
  const { json } = await server.get(cast.headers.location as string)
  t.match(json, { state: 'succeeded', attempts: 1, history: [{ number: 1 }], result: { a: 1 } })
  const times = [json.createdAt, json.startedAt, json.history[0].endedAt, json.finishedAt]
  t.same(
    times.toSorted((a, b) => Date.parse(a) - Date.parse(b)),
    times,
  )
})

t.test('payloads and results may be any JSON', async (t) => {
  for (const payload of [null, '', 'ü💩\u0000', 0, false, [[]], { constructor: 1 }]) {
    t.same((await outcome(t, await server.cast('echo', 'any', payload))).result, payload)
  }
  t.equal((await outcome(t, await server.cast('echo', 'nothing'))).result, null)
  t.match(await outcome(t, await server.cast('echo', 'byPosition', [3, 1])), { result: 2 })
})

t.test('the handler gets its job and the trace of the request that cast it', async (t) => {
  const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
  const cast = await server.post('/v1/services/echo/cast/job', {}, { headers })
  const { id, result } = await outcome(t, cast)
  t.same(result, { id, attempt: 1, traceparent: headers.traceparent })
})

t.test('an invalid option of a cast is refused, and named', async (t) => {
  for (const query of [
    'delayMs=-1',
    'delayMs=soon',
    'delayMs=1.5',
    'delayMs=31536000001',
    'priority=10',
    'priority=-1',
    'priority=',
    'maxAttempts=0',
    'maxAttempts=1001',
    'ttlMs=0',
    'ttlMs=NaN',
    'nonsense=1',
    'priority=1&priority=2',
  ]) {
    isProblem(t, await server.cast('echo', 'any', 1, `?${query}`), 'MALFORMED_QUERY', {
      detail: new RegExp(`^${query.split('=')[0]}: `),
    })
  }
})

t.test('delayMs delays the start; maxAttempts and priority are those of the cast', async (t) => {
  const job = await outcome(t, await server.cast('echo', 'any', 1, '?delayMs=60&maxAttempts=7&priority=0'))
  t.match(job, { state: 'succeeded', maxAttempts: 7, priority: 0 })
  t.ok(job.startedAt >= job.notBefore, `${job.startedAt} is not before ${job.notBefore}`)
  t.equal(Date.parse(job.notBefore) - Date.parse(job.createdAt), 60)

  const { json } = await server.cast('echo', 'any', 1, '?delayMs=3600000')
  t.equal(json.state, 'scheduled')
  await server.post(`/v1/jobs/${json.id}/cancel`)
})

t.test('a job that waits for its time is run now, and no other job', async (t) => {
  const { json: later } = await server.cast('echo', 'any', 'now', '?delayMs=3600000')
  const runNow = (id: string) => server.post(`/v1/jobs/${id}/run`)
  t.match(await runNow(later.id), { status: 200, json: { id: later.id, state: 'queued' } })
  t.match(await server.finished(later.id), { state: 'succeeded', result: 'now', attempts: 1 })
  isProblem(t, await runNow(later.id), 'CONFLICT', { jobId: later.id, detail: /the job is succeeded/ })
  isProblem(t, await runNow('none'), 'JOB_NOT_FOUND')

  await server.post('/v1/services/echo/pause')
  const { json: queued } = await server.cast('echo', 'any', 1)
  t.match(await runNow(queued.id), { status: 200, json: { state: 'queued', notBefore: null } })
  await server.post('/v1/services/echo/resume')
})

t.test('jobs run by priority, 9 first, and within a priority in the order of their casts', async (t) => {
  await server.post('/v1/services/single/pause')
  const jobs: Answer['json'][] = []
  for (const [index, priority] of [0, 5, 9, 9, 5, 0].entries()) {
    const token = `${priority} as number ${index}`
    jobs.push((await server.cast('single', 'hold', { token }, `?priority=${priority}`)).json)
  }
  await server.post('/v1/services/single/resume')
  const order = [2, 3, 1, 4, 0, 5]
  const tokens = order.map((index) => `${jobs[index].priority} as number ${index}`)
  for (const token of tokens) {
    await server.logs.line('begun', { token })
    openGate(token)
  }
  for (const { id } of jobs) await server.finished(id)
  const begun = server.logs.records.filter(({ msg, token }) => msg === 'begun' && tokens.includes(token as string))
  t.same(
    begun.map(({ token }) => token),
    tokens,
  )
})

t.test('a job that has not begun within its ttlMs expires: on disk, scheduled, or in the thread', async (t) => {
  await server.put('idle', { module: 'gate.js', autostart: false })
  const { json: idle } = await server.cast('idle', 'nap', {}, '?ttlMs=50')
  const { json: scheduled } = await server.cast('gate', 'nap', {}, '?ttlMs=50&delayMs=3600000')
  const held = server.call('single', 'hold', { token: 'in the way' })
  await server.logs.line('begun', { token: 'in the way' })
  const { json: handed } = await server.cast('single', 'hold', { token: 'late' }, '?ttlMs=50')
  for (const { id } of [idle, scheduled, handed]) {
    const job = await server.finished(id)
    t.match(job, { state: 'expired', error: { code: 'JOB_EXPIRED' }, attempts: 0, history: [], startedAt: null })
  }
  openGate('in the way')
  t.equal((await held).status, 200)
  t.match(await server.call('single', 'nap'), { status: 200 })
  t.notOk(server.logs.has('begun', { token: 'late' }))
  isProblem(t, await server.post(`/v1/jobs/${idle.id}/cancel`), 'CONFLICT')
})

t.test('a job that has begun does not expire', async (t) => {
  const { json } = await server.cast('gate', 'hold', { token: 'begun in time' }, '?ttlMs=1500')
  await server.logs.line('begun', { token: 'begun in time' })
  // Another job expires after it: by then both have been checked.
  const leftMs = Math.max(Date.parse(json.expiresAt) - Date.now(), 1)
  const { json: other } = await server.cast('gate', 'nap', {}, `?ttlMs=${leftMs}&delayMs=3600000`)
  t.match(await server.finished(other.id), { state: 'expired' })
  await server.call('gate', 'release', { token: 'begun in time' })
  t.match(await server.finished(json.id), { state: 'succeeded' })
})

t.test('a method that throws is retried, with a history, up to maxAttempts', async (t) => {
  const error = { code: 'METHOD_FAILED', cause: { name: 'RangeError', message: 'no such luck', code: 'E_LUCK' } }
  const failed = await outcome(t, await server.cast('fails', 'throws'))
  t.match(failed, { state: 'failed', attempts: 3, maxAttempts: 3, error })
  t.match(
    failed.history,
    [1, 2, 3].map((number) => ({ number, error })),
  )
  t.equal(failed.history.length, 3)
  t.notMatch(JSON.stringify(failed), 'stack')

  const flaky = await outcome(t, await server.cast('fails', 'flaky', { token: 'a', failures: 2 }))
  t.match(flaky, { state: 'succeeded', attempts: 3, result: 3 })
  t.match(flaky.history, [{ error: { message: /failure 1/ } }, { error: { message: /failure 2/ } }, { number: 3 }])
  t.notOk('error' in flaky || 'error' in flaky.history[2])
  t.match(await server.status('fails'), { counts: { casts: 2, succeeded: 1, failed: 1, retried: 4 } })
})

t.test('an error with `retryable: false` is not retried', async (t) => {
  const job = await outcome(t, await server.cast('fails', 'notRetryable'))
  t.match(job, { state: 'failed', attempts: 1, error: { code: 'METHOD_FAILED', cause: { message: 'never again' } } })
})

t.test('a payload that only the thread can refuse fails the job without a retry', async (t) => {
  const job = await outcome(t, await server.cast('refines', 'even', { n: 1 }))
  const error = { code: 'VALIDATION_FAILED', errors: [{ pointer: '/n', message: 'It is odd' }] }
  t.match(job, { state: 'failed', attempts: 1, error })
})

t.test('a job whose result is invalid is not retried', async (t) => {
  t.match(await outcome(t, await server.cast('echo', 'cyclic')), {
    state: 'failed',
    error: { code: 'RESULT_NOT_SERIALIZABLE' },
  })
  t.match(await outcome(t, await server.cast('echo', 'sized', 20_000)), { state: 'failed', attempts: 1 })
  t.match(await outcome(t, await server.cast('echo', 'wrongResult')), {
    state: 'failed',
    error: { code: 'RESULT_INVALID' },
  })
})

t.test('a cast whose thread dies is retried, and each death counts as one attempt', async (t) => {
  const recovered = await outcome(t, await server.cast('dies', 'recovers', { deaths: 2 }))
  t.match(recovered, { state: 'succeeded', attempts: 3, result: 3 })
  t.match(recovered.history, [{ error: { code: 'THREAD_DIED' } }, { error: { code: 'THREAD_DIED' } }, { number: 3 }])
  for (const method of ['exit', 'throwLater']) {
    const died = await outcome(t, await server.cast('dies', method))
    t.match(died, { state: 'failed', attempts: 3, error: { code: 'THREAD_DIED' } }, method)
    t.same(
      died.history.map(({ number }: { number: number }) => number),
      [1, 2, 3],
    )
  }
})

t.test('a cast that loops loses its thread after the deadline of its method', async (t) => {
  const job = await outcome(t, await server.cast('dies', 'spin', {}, '?maxAttempts=2'))
  t.match(job, { state: 'failed', attempts: 2, error: { code: 'DEADLINE_EXCEEDED' } })
  t.match(await server.call('dies', 'recovers', { deaths: 0 }), { status: 200 })
})

t.test('Prefer: wait is answered when the job ends, and Preference-Applied repeats it', async (t) => {
  const { json } = await server.cast('gate', 'hold', { token: 'waited for' })
  await server.logs.line('begun', { token: 'waited for' })
  const waiting = server.get(`/v1/jobs/${json.id}`, { headers: { prefer: 'wait=30' } })
  const soon = await server.get(`/v1/jobs/${json.id}`, { headers: { prefer: 'respond-async, wait=0' } })
  t.match(soon, { json: { state: 'running', attempts: 1 }, headers: { 'preference-applied': 'wait=0' } })
  const later = await server.get(`/v1/jobs/${json.id}`, { headers: { prefer: 'wait=1' } })
  t.match(later, { json: { state: 'running' }, headers: { 'preference-applied': 'wait=1' } })
  await server.call('gate', 'release', { token: 'waited for' })
  t.match(await waiting, { json: { state: 'succeeded' }, headers: { 'preference-applied': 'wait=30' } })
  const most = await server.get(`/v1/jobs/${json.id}`, { headers: { prefer: 'wait="1000"' } })
  t.equal(most.headers['preference-applied'], 'wait=60')
  t.notOk(
    'preference-applied' in
      (await server.get(`/v1/jobs/${json.id}`, { headers: { prefer: 'handling=lenient' } })).headers,
  )
  for (const prefer of ['wait', 'wait=', 'wait=soon', 'wait=-1', 'wait=1.5']) {
    isProblem(t, await server.get(`/v1/jobs/${json.id}`, { headers: { prefer } }), 'MALFORMED_HEADER', {
      detail: /Prefer/,
    })
  }
})

t.test('the progress of a job is visible while the job runs', async (t) => {
  const { json } = await server.cast('gate', 'progress', { token: 'half' })
  await server.logs.line('begun', { token: 'half' })
  t.match((await server.get(`/v1/jobs/${json.id}`)).json, {
    state: 'running',
    progress: { fraction: 0.5, note: 'half' },
  })
  await server.call('gate', 'release', { token: 'half' })
  t.match(await server.finished(json.id), { state: 'succeeded' })
})

t.test('a queued job that is cancelled never runs', async (t) => {
  const held = server.call('single', 'hold', { token: 'first' })
  await server.logs.line('begun', { token: 'first', service: 'single' })
  const { json: handed } = await server.cast('single', 'hold', { token: 'handed' })
  const { json: idle } = await server.cast('idle', 'hold', { token: 'idle' })
  const { json: scheduled } = await server.cast('gate', 'hold', { token: 'scheduled' }, '?delayMs=3600000')
  for (const { id } of [handed, idle, scheduled]) {
    const answer = await server.post(`/v1/jobs/${id}/cancel`)
    const cancelled = {
      state: 'cancelled',
      attempts: 0,
      history: [],
      startedAt: null,
      error: { code: 'JOB_CANCELLED' },
    }
    t.match(answer, { status: 200, json: cancelled })
    t.type(answer.json.finishedAt, 'string')
    t.match(await server.post(`/v1/jobs/${id}/cancel`), { status: 200, json: { state: 'cancelled' } }, 'again')
  }
  openGate('first')
  await held
  await server.post('/v1/services/idle/start')
  t.match(await server.call('single', 'nap'), { status: 200 })
  t.match(await server.call('idle', 'nap'), { status: 200 })
  for (const token of ['handed', 'idle', 'scheduled']) t.notOk(server.logs.has('begun', { token }))
  await server.post('/v1/services/idle/stop')
})

t.test('cancelling a running job fires its signal; if it ignores the signal, its thread is retired', async (t) => {
  // On a busy machine a thread may take longer than the `cancelGraceMs` of the module.
  await server.put('patient', { module: 'gate.js', cancelGraceMs: 60_000 })
  const [{ id: thread }] = (await server.status('patient')).threads
  const { json } = await server.cast('patient', 'hold', { token: 'cancelled' })
  await server.logs.line('begun', { token: 'cancelled' })
  const answer = await server.post(`/v1/jobs/${json.id}/cancel`)
  t.match(answer, { status: 200, json: { state: 'cancelled', attempts: 1, error: { code: 'JOB_CANCELLED' } } })
  await server.logs.line('aborted', { token: 'cancelled' })
  t.match(await server.call('patient', 'nap'), { json: 'rested' })
  t.equal((await server.status('patient')).threads[0].id, thread, 'it is the same thread')
  await server.post('/v1/services/patient/stop')

  const before = await server.status('gate')
  const { json: stubborn } = await server.cast('gate', 'stubborn', { token: 'ignores it' })
  await server.logs.line('begun', { token: 'ignores it' })
  t.match((await server.post(`/v1/jobs/${stubborn.id}/cancel`)).json, { state: 'cancelled' })
  await server.logs.line('the thread is retired: a method goes on after its deadline', { service: 'gate' })
  t.match(await server.call('gate', 'nap'), { json: 'rested' })
  t.match(await server.status('gate'), { state: 'running', restartCount: before.restartCount }, 'retiring is no crash')
})

t.test('only a failed or cancelled job can be retried, and only a finished one deleted', async (t) => {
  const failed = await outcome(t, await server.cast('fails', 'flaky', { token: 'b', failures: 4 }))
  t.match(failed, { state: 'failed', attempts: 3 })
  const again = await server.post(`/v1/jobs/${failed.id}/retry`)
  t.match(again, { status: 200, json: { state: 'queued', attempts: 3, finishedAt: null } })
  t.notOk('error' in again.json)
  const done = await server.finished(failed.id)
  t.match(done, { state: 'succeeded', attempts: 5, result: 5 })
  t.same(
    done.history.map(({ number }: { number: number }) => number),
    [1, 2, 3, 4, 5],
  )
  isProblem(t, await server.post(`/v1/jobs/${done.id}/retry`), 'CONFLICT', { jobId: done.id })

  const { json: waiting } = await server.cast('idle', 'nap')
  isProblem(t, await server.post(`/v1/jobs/${waiting.id}/retry`), 'CONFLICT', { jobId: waiting.id })
  isProblem(t, await server.delete(`/v1/jobs/${waiting.id}`), 'CONFLICT', { jobId: waiting.id })
  await server.post(`/v1/jobs/${waiting.id}/cancel`)
  t.match((await server.post(`/v1/jobs/${waiting.id}/retry`)).json, { state: 'queued' })
  await server.post(`/v1/jobs/${waiting.id}/cancel`)
  t.match(await server.delete(`/v1/jobs/${waiting.id}`), { status: 204, text: '' })
  isProblem(t, await server.get(`/v1/jobs/${waiting.id}`), 'JOB_NOT_FOUND')
  isProblem(t, await server.delete(`/v1/jobs/${waiting.id}`), 'JOB_NOT_FOUND')
})

t.test('jobs are listed newest first, filtered, and page by page', async (t) => {
  await server.put('listed', { module: 'echo.js', autostart: false })
  const ids: string[] = []
  for (const method of ['any', 'nothing', 'any', 'nothing', 'any']) {
    ids.unshift((await server.cast('listed', method)).json.id)
  }
  const list = async (query: string) => (await server.get(`/v1/jobs?${query}`)).json
  const idsOf = (page: { items: { id: string }[] }) => page.items.map(({ id }) => id)

  t.match(await list('service=listed'), { items: { length: 5 }, nextCursor: null })
  t.same(idsOf(await list('service=listed')), ids)
  t.same(idsOf(await list('service=listed&method=nothing')), [ids[1], ids[3]])
  await server.post(`/v1/jobs/${ids[0]}/cancel`)
  t.same(idsOf(await list('service=listed&state=cancelled')), [ids[0]])
  t.same(idsOf(await list('service=listed&state=queued')), ids.slice(1))
  t.same(await list('service=nonsense'), { items: [], nextCursor: null })

  const paged: string[] = []
  let query = 'service=listed&limit=2'
  for (let pages = 1; ; pages += 1) {
    const page = await list(query)
    paged.push(...idsOf(page))
    if (page.nextCursor === null) {
      t.equal(pages, 3)
      break
    }
    // Newer jobs do not move the pages.
    await server.cast('listed', 'any')
    query = `service=listed&limit=2&cursor=${page.nextCursor}`
  }
  t.same(paged, ids)
  t.same(await list('service=listed&limit=2&cursor=0'), { items: [], nextCursor: null })
  for (const wrong of ['limit=0', 'limit=1001', 'state=nonsense', 'service=a&service=b']) {
    isProblem(t, await server.get(`/v1/jobs?${wrong}`), 'MALFORMED_QUERY')
  }
})

// docs/cluster.md: only the node that runs a job knows whether its attempt has begun, and a list does not ask it.
const isCluster = process.env.TEST_DATABASE !== undefined && 'lists of several nodes show it as running'
t.test('a job that waits in its thread is listed as queued, as it is shown', { skip: isCluster }, async (t) => {
  const held = server.call('single', 'hold', { token: 'listed' })
  await server.logs.line('begun', { token: 'listed' })
  const { json } = await server.cast('single', 'nap')
  const list = async (state: string) => (await server.get(`/v1/jobs?service=single&state=${state}`)).json.items
  t.match(await list('queued'), [{ id: json.id, state: 'queued' }])
  t.same(await list('running'), [])
  openGate('listed')
  await held
  t.match(await server.finished(json.id), { state: 'succeeded', attempts: 1 })
})

t.test('a queued job whose method no longer exists fails', async (t) => {
  await server.put('changes', { module: 'echo.js', autostart: false })
  const { json } = await server.cast('changes', 'byName', { name: 'a' })
  await server.put('changes', { module: 'gate.js' })
  t.match(await server.finished(json.id), { state: 'failed', error: { code: 'METHOD_NOT_FOUND' } })
})

t.test('a cast larger than queueBytes runs if it is alone in the queue', async (t) => {
  t.equal((await server.put('narrow', { module: 'echo.js', queueBytes: 1_024 })).status, 201)
  const { json } = await server.cast('narrow', 'any', 'x'.repeat(5_000))
  t.match(await server.finished(json.id), { state: 'succeeded', attempts: 1 })
  t.equal((await server.call('narrow', 'any', 'x'.repeat(5_000))).status, 200)
})

t.test('a cast gets its turn although calls never stop coming', async (t) => {
  // The thread holds 15 calls of 120 ms: a cast behind them waits longer than the 1 s to 1.5 s after which a cast goes
  // back to the store.
  t.equal((await server.put('busy', { module: 'gate.js', numWorkers: 1, prefetch: 14 })).status, 201)
  const end = new AbortController()
  setMaxListeners(0, end.signal)
  const clients = Array.from({ length: 22 }, async () => {
    while (!end.signal.aborted) await server.call('busy', 'nap', { ms: 120 }, { signal: end.signal }).catch(() => {})
  })
  await server.waiting('busy', 21)
  const { json } = await server.cast('busy', 'nap', { ms: 1 })
  t.match(await server.finished(json.id), { state: 'succeeded', attempts: 1 })
  end.abort()
  await Promise.all(clients)
})
