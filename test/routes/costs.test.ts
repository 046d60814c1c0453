/** Which thread, attempt and restart a slow, cancelled or deadly method costs, and that other methods lose nothing. */
import t from 'tap'
import { JournalClient } from '../../src/sqlite/journal-client.ts'
import { becomes, openGate, serve, within } from '../http-helper.ts'

const server = await serve(t, { services: { costs: 'costs', single: 'costs', hangs: 'dies' } })
await server.put('single', { module: 'costs.js', numWorkers: 1 })

const threadOf = async (service: string) => {
  const { threads, restartCount, restartBudget } = await server.status(service)
  return { id: threads[0].id as number, restartCount, remaining: restartBudget.remaining }
}
const begun = (token: string, more = {}) => server.logs.line('begun', { token, ...more })
const retired = 'the thread is retired: a method goes on after its deadline'

t.test("a client's deadline, or its closed connection, ends its own call only", async (t) => {
  const before = await threadOf('costs')
  const bystander = server.call('costs', 'bystander', { token: 'patient' })
  await begun('patient')
  const hasty = server.call('costs', 'stubborn', { token: 'hasty' }, { headers: { 'request-timeout': '1s' } })
  t.match(await hasty, { status: 504, json: { code: 'DEADLINE_EXCEEDED', started: true } })
  await server.logs.line('aborted', { token: 'hasty' })
  const gone = new AbortController()
  const left = server.call('costs', 'stubborn', { token: 'left' }, { signal: gone.signal }).catch(() => 'gone')
  await begun('left')
  gone.abort()
  t.equal(await left, 'gone')
  await server.logs.line('aborted', { token: 'left' })
  t.match(await server.call('costs', 'nap'), { status: 200 })
  openGate('patient')
  t.match(await bystander, { status: 200, json: 1 })
  t.same(await threadOf('costs'), before, 'the thread is the same')
  openGate('hasty')
  openGate('left')
})

t.test(
  'a method that goes on after its timeoutMs and the grace has its thread retired, without a restart',
  async (t) => {
    const before = await threadOf('single')
    const spinning = server.call('single', 'spin', { token: 'spins' })
    await begun('spins')
    const call = server.call('single', 'nap')
    const { json: cast } = await server.cast('single', 'nap')
    t.match(await spinning, { status: 504, json: { code: 'DEADLINE_EXCEEDED', started: true } })
    await server.logs.line(retired, { service: 'single', method: 'spin' })
    t.match(await call, { status: 200, json: 'rested' })
    t.match(await server.finished(cast.id), { state: 'succeeded', attempts: 1, history: [{ number: 1 }] })
    const after = await threadOf('single')
    t.not(after.id, before.id)
    t.match(after, { restartCount: before.restartCount, remaining: before.remaining })
  },
)

t.test('a cancelled cast that goes on has its thread retired, and other casts lose no attempt', async (t) => {
  const before = await threadOf('single')
  const { json: stubborn } = await server.cast('single', 'stubborn', { token: 'cancelled' })
  await begun('cancelled')
  const { json: waits } = await server.cast('single', 'nap')
  t.match((await server.post(`/v1/jobs/${stubborn.id}/cancel`)).json, { state: 'cancelled', attempts: 1 })
  t.match(await server.finished(waits.id), { state: 'succeeded', attempts: 1, history: [{ number: 1 }] })
  const after = await threadOf('single')
  t.not(after.id, before.id)
  t.match(after, { restartCount: before.restartCount, remaining: before.remaining })
})

t.test('a cast that ends its thread fails after maxAttempts, and costs no restart budget', async (t) => {
  const casts = await Promise.all(
    Array.from({ length: 30 }, (_, n) => server.cast('single', n === 10 ? 'poison' : 'nap', { token: 'poison' })),
  )
  const jobs = await Promise.all(casts.map(({ json }) => server.finished(json.id)))
  const [poison] = jobs.splice(10, 1)
  t.match(poison, { state: 'failed', attempts: 3, error: { code: 'THREAD_DIED' } })
  t.match(
    poison.history,
    [1, 2, 3].map((number) => ({ number, error: { code: 'THREAD_DIED' } })),
  )
  for (const job of jobs) t.match(job, { state: 'succeeded', attempts: 1, history: { length: 1 } })
  await server.reaches('single', 'running')
  t.match(await threadOf('single'), { remaining: 3 })
  t.match(await server.status('single'), { state: 'running', restartCount: 3 })
})

t.test('calls that end their thread cost no restart budget', async (t) => {
  const { restartCount } = await threadOf('single')
  for (let times = 0; times < 5; times += 1) {
    t.match(await server.call('single', 'poison', { token: 'poison' }), { status: 502, json: { code: 'THREAD_DIED' } })
  }
  t.match(await server.call('single', 'nap'), { status: 200 })
  t.match(await threadOf('single'), { remaining: 3, restartCount: restartCount + 5 })
})

t.test('casts that died together are retried one at a time before any of them fails', async (t) => {
  const before = await threadOf('costs')
  const bystanders = await Promise.all(
    ['b1', 'b2'].map((token) => server.cast('costs', 'bystander', { token }, '?maxAttempts=1')),
  )
  for (const token of ['b1', 'b2']) await begun(token, { attempt: 1 })
  const call = server.call('costs', 'bystander', { token: 'b3' })
  await begun('b3')
  const { json: poison } = await server.cast('costs', 'poison', { token: 'deadly' })
  await begun('deadly')
  openGate('deadly')
  t.match(await call, { status: 502, json: { code: 'THREAD_DIED' } })
  for (const { json } of bystanders) {
    const job = await server.finished(json.id)
    t.match(job, { state: 'succeeded', attempts: 2, maxAttempts: 1, result: 2 }, 'it had an attempt alone')
    t.match(job.history, [{ number: 1, error: { code: 'THREAD_DIED' } }, { number: 2 }])
  }
  t.match(await server.finished(poison.id), { state: 'failed', attempts: 3, error: { code: 'THREAD_DIED' } })
  for (const token of ['b1', 'b2']) t.match(await begun(token, { attempt: 2 }), { beside: 1 }, 'it ran alone')
  t.match(
    await threadOf('costs'),
    { remaining: before.remaining - 1 },
    'only the shared crash counts against the service',
  )
})

t.test('a cancellation while a retry is written cancels the job', async (t) => {
  type Retry = JournalClient['retry']
  const retry = Object.getOwnPropertyDescriptor(JournalClient.prototype, 'retry')?.value as (
    this: JournalClient,
    ...args: Parameters<Retry>
  ) => ReturnType<Retry>
  t.teardown(() => {
    JournalClient.prototype.retry = retry
  })
  let written = () => {}
  const writing = new Promise<() => void>((resolve) => {
    JournalClient.prototype.retry = async function (...args) {
      await new Promise<void>((goOn) => {
        written = goOn
        resolve(goOn)
      })
      return retry.apply(this, args)
    }
  })
  const { json } = await server.cast('single', 'fails', {})
  await within(writing, 'the retry to be written')
  const cancelled = server.post(`/v1/jobs/${json.id}/cancel`)
  const { dispatcher } = server.server
  // By then the cancellation has read the job, and found its attempt in flight.
  while (!(await dispatcher.get(json.id)).history[0]) await new Promise((resolve) => setImmediate(resolve))
  await server.get(`/v1/jobs/${json.id}`)
  written()
  t.match((await cancelled).json, { state: 'cancelled', attempts: 1, error: { code: 'JOB_CANCELLED' } })
  const job = await server.finished(json.id)
  t.match(job.history, [{ number: 1, error: { code: 'METHOD_FAILED' } }])
  t.equal(job.history.length, 1)
})

t.test('a waiting cast cannot be taken while its cancellation is written', async (t) => {
  const { json: running } = await server.cast('single', 'bystander', { token: 'runs' })
  await begun('runs')
  const { json: waiting } = await server.cast('single', 'nap')
  const withdraw = Object.getOwnPropertyDescriptor(JournalClient.prototype, 'withdraw')
    ?.value as JournalClient['withdraw']
  t.teardown(() => {
    JournalClient.prototype.withdraw = withdraw
  })
  const taken: { id: string }[] = []
  JournalClient.prototype.withdraw = async function (...args) {
    const withdrawn = withdraw.apply(this, args)
    taken.push(...(await this.take('single', 9, 1_000_000)))
    return withdrawn
  }
  t.match((await server.post(`/v1/jobs/${waiting.id}/cancel`)).json, { state: 'cancelled', attempts: 0 })
  t.same(taken, [])
  openGate('runs')
  t.match(await server.finished(running.id), { state: 'succeeded', attempts: 1 })
})

t.test('GET …/stack has the stack of each thread, also of one that hangs', async (t) => {
  await server.put('pair', {
    module: 'hangs.js',
    threads: 2,
    numWorkers: 1,
    cancelGraceMs: 30_000,
    shutdownTimeoutMs: 1,
  })
  const { threads } = await server.status('pair')
  const idle = await server.get('/v1/services/pair/stack')
  t.equal(idle.status, 200)
  t.same(idle.json.items.map(({ id }: { id: number }) => id).sort(), threads.map(({ id }: { id: number }) => id).sort())
  const call = server.call('pair', 'spin')
  let frame: Record<string, unknown> | undefined
  await becomes('a thread to be in the handler', async () => {
    const { json } = await server.get('/v1/services/pair/stack')
    const innermost = json.items.map(({ frames }: { frames: Record<string, unknown>[] }) => frames[0])
    frame = innermost.find((other: Record<string, unknown> | undefined) => other?.function === 'handler')
    return frame !== undefined
  })
  t.match(frame, { url: /hangs\.js$/, line: Number, column: Number })
  t.match(await call, { status: 504 })
  t.match(await server.call('pair', 'recovers', { deaths: 0 }), { status: 200 })
  t.match(await server.get('/v1/services/nobody/stack'), { status: 404, json: { code: 'SERVICE_NOT_FOUND' } })
  await server.post('/v1/services/pair/stop')
  t.same((await server.get('/v1/services/pair/stack')).json, { items: [] })
})
