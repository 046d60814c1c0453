/** Calls, casts and the queue of a QueueServiceThread behave as in mode. With real threads. */
import t from 'tap'
import { serveGates } from '../gates.ts'
import { errorOf, queueThread, startedThread, testOnce, within } from '../helper.ts'

const open = serveGates(t)

// Threads for all tests that neither end their thread nor need other options.
const [hooks, throws, gates, oneAtATime, oddResults] = await Promise.all([
  startedThread(t, 'hooks'),
  startedThread(t, 'throws'),
  startedThread(t, 'gates'),
  startedThread(t, 'gates', { options: { numWorkers: 1 } }),
  startedThread(t, 'odd-results'),
])

t.test('callThread returns the result of the method', async (t) => {
  const { thread } = hooks
  t.equal(await thread.callThread('add', [1, 2]), 3)
  t.strictSame(await thread.callThread('greet', { name: 'Ada' }), { greeting: 'Hello, Ada' })
  t.strictSame(await thread.callThread('state', null), { madeBy: 'onThreadStarted' })
  t.equal(await thread.callThread('threadId', null), await thread.callThread('threadId', null))
  t.match(await thread.callThread('job', null), { id: /^[0-9a-f-]{36}$/, attempt: 1 }, 'a call has a job of its own')
})

t.test('callThread raises what the method raised: name, message, code and cause', async (t) => {
  const { thread } = throws
  const error = await errorOf(thread.callThread('error', null))
  t.ok(error instanceof Error)
  t.match(error, { name: 'TeapotError', message: 'short and stout', code: 'E_TEAPOT', stack: /throws\.[jt]s/ })
  t.match(error.cause, { name: 'RangeError', message: 'tip me over', cause: { message: 'pour me out' } })
  t.match(await errorOf(thread.callThread('later', null)), { name: 'TeapotError', code: 'E_TEAPOT' })
  const ours = await errorOf(thread.callThread('ours', null))
  t.match(ours, { name: 'ThreadplaneError', code: 'CONFLICT', message: 'it is locked', retryable: true })
})

t.test('callThread raises whatever was thrown, a hostile proxy included, and the thread lives on', async (t) => {
  const { thread } = throws
  t.match(await errorOf(thread.callThread('text', null)), { message: 'just a text' })
  t.match(await errorOf(thread.callThread('nothing', null)), { message: /undefined was thrown/ })
  t.ok((await errorOf(thread.callThread('hostile', null))) instanceof Error)
  t.match(await errorOf(thread.callThread('trap', null)), { message: 'inside' })
  t.equal(await thread.callThread('echo', 1), 1)
  t.equal(thread.state, 'running')
})

t.test('callThread of a method that is not there is METHOD_NOT_FOUND, whatever its name', async (t) => {
  const { thread } = hooks
  for (const name of ['nowhere', 'constructor', '__proto__', 'toString']) {
    t.match(await errorOf(thread.callThread(name, null)), { code: 'METHOD_NOT_FOUND' }, name)
  }
})

testOnce(t, 'methods queued before start() run once it has started, in their order', async (t) => {
  const { thread, log } = queueThread(t, 'gates', { options: { numWorkers: 1 } })
  const first = thread.callThread('echo', 'first')
  thread.castThread('wait', { key: 'cast' })
  const last = thread.callThread('echo', 'last')
  t.equal(thread.methodQueue.size, 3)
  await thread.start()
  t.strictSame(await within(Promise.all([first, last]), 'both calls'), ['first', 'last'])
  await log.line('begun cast')
  open('cast')
})

t.test('castThread returns at once; its exception never reaches the caller, and is logged', async (t) => {
  const { thread, log } = throws
  t.equal(thread.castThread('error', null), undefined)
  const line = await log.line('a cast failed')
  t.match(line, { level: 'error', fields: { service: 'throws', method: 'error', err: { code: 'METHOD_FAILED' } } })
  t.match(line.fields.err, { message: 'TeapotError: short and stout', cause: { code: 'E_TEAPOT' } })
})

t.test('a call whose signal was aborted before its turn is not run', async (t) => {
  const { thread, log } = oneAtATime
  log.lines.length = 0
  const running = thread.callThread('wait', { key: 'running' })
  await log.line('begun running')
  const cancelled = new AbortController()
  const prefetched = errorOf(thread.callThread('wait', { key: 'cancelled' }, { signal: cancelled.signal }))
  const already = errorOf(thread.callThread('wait', { key: 'already' }, { signal: AbortSignal.abort() }))
  cancelled.abort()
  t.match(await prefetched, { code: 'JOB_CANCELLED', facts: { started: false } })
  t.match(await already, { code: 'JOB_CANCELLED', facts: { started: false } })
  const after = thread.callThread('echo', 'after')
  open('running')
  await running
  t.equal(await after, 'after')
  t.strictSame(log.messages, ['begun running'], 'neither has begun')
})

testOnce(t, 'a call aborted in the queue of a service that has not started is not run', async (t) => {
  const { thread, log } = queueThread(t, 'gates')
  const cancelled = new AbortController()
  const call = errorOf(thread.callThread('wait', { key: 'cancelled' }, { signal: cancelled.signal }))
  cancelled.abort()
  t.match(await call, { code: 'JOB_CANCELLED' })
  t.equal(thread.methodQueue.size, 0)
  await thread.start()
  t.equal(await thread.callThread('echo', 1), 1)
  t.strictSame(log.messages, [])
})

t.test('a call aborted while it runs is settled at once and sees its signal', async (t) => {
  const { thread, log } = gates
  log.lines.length = 0
  const cancelled = new AbortController()
  const call = errorOf(thread.callThread('wait', { key: 'a' }, { signal: cancelled.signal }))
  await log.line('begun a')
  cancelled.abort()
  t.match(await call, { code: 'JOB_CANCELLED', facts: { started: true } })
  await log.line('aborted a: JOB_CANCELLED')
  await within(thread.idle(), 'the end of the method')
})

t.test('two methods of one thread overlap at await points: numWorkers is 2 by default', async (t) => {
  const { thread, log } = gates
  log.lines.length = 0
  const calls = ['a', 'b', 'c'].map((key) => thread.callThread('wait', { key }))
  await log.line('begun b')
  t.strictSame(log.messages, ['begun a', 'begun b'])
  t.equal(thread.running, 2)
  t.equal(thread.prefetched, 1)
  open('b')
  await calls[1]
  await log.line('begun c')
  open('a')
  open('c')
  t.strictSame(await Promise.all(calls), ['a', 'b', 'c'])
})

t.test('numWorkers: 1: no two methods overlap', async (t) => {
  const { thread, log } = oneAtATime
  log.lines.length = 0
  const first = thread.callThread('wait', { key: 'alone' })
  const second = thread.callThread('echo', 'b')
  await log.line('begun alone')
  t.equal(thread.running, 1)
  open('alone')
  t.strictSame(await Promise.all([first, second]), ['alone', 'b'])
})

testOnce(t, 'stop() runs what is queued before the thread ends', async (t) => {
  const { thread, log } = await startedThread(t, 'gates', { options: { numWorkers: 1, prefetch: 1 } })
  const calls = ['a', 'b', 'c', 'd'].map((value) => thread.callThread('echo', value))
  const last = thread.callThread('wait', { key: 'e' })
  const stopped = thread.stop()
  await log.line('begun e')
  t.equal(thread.state, 'stopping')
  open('e')
  t.strictSame(await Promise.all([...calls, last]), ['a', 'b', 'c', 'd', 'e'])
  await stopped
  t.equal(thread.state, 'stopped')
})

testOnce(
  t,
  'stop() with a queue that does not drain is bounded by shutdownTimeoutMs: methods that had begun are THREAD_DIED',
  async (t) => {
    const options = { numWorkers: 1, shutdownTimeoutMs: 200 }
    const { thread, log } = await startedThread(t, 'gates', { options })
    const begun = errorOf(thread.callThread('wait', { key: 'never' }))
    const queued = thread.callThread('echo', 'queued')
    await log.line('begun never')
    await within(thread.stop(), 'the stop')
    t.match(await begun, { code: 'THREAD_DIED', facts: { started: true } })
    await thread.start()
    t.equal(await queued, 'queued', 'what had not begun runs after the next start')
  },
)

t.test('a thread that dies while its queue drains is not started again, and stop() does not wait for it', async (t) => {
  const { thread } = await startedThread(t, 'dies', {
    options: { numWorkers: 1, prefetch: 0, shutdownTimeoutMs: 60_000 },
  })
  const died = errorOf(thread.callThread('exit', null))
  const queued = thread.callThread('echo', 'queued')
  await within(thread.stop(), 'the stop')
  t.match(await died, { code: 'THREAD_DIED' })
  t.equal(thread.state, 'stopped')
  await thread.start()
  t.equal(await queued, 'queued')
})

testOnce(t, 'a deadline counts from the call, the queue included, and costs no thread', async (t) => {
  const { thread, log } = await startedThread(t, 'gates', { options: { numWorkers: 1, cancelGraceMs: 0 } })
  const { threadId } = thread
  // The waiting call has the earlier deadline: with the same one it could begin in the place of the call that just ended.
  const begun = errorOf(thread.callThread('wait', { key: 'a' }, { timeoutMs: 500 }))
  const waiting = errorOf(thread.callThread('wait', { key: 'b' }, { timeoutMs: 50 }))
  const errors = await Promise.all([begun, waiting])
  t.match(errors[0], { code: 'DEADLINE_EXCEEDED', facts: { started: true } })
  t.match(errors[1], { code: 'DEADLINE_EXCEEDED', facts: { started: false } })
  await log.line('aborted a: DEADLINE_EXCEEDED')
  t.equal(await thread.callThread('echo', 1), 1)
  t.equal(thread.threadId, threadId)
  t.equal(thread.restartCount, 0)
})

testOnce(t, 'a deadline passes in the queue of a service that never starts', async (t) => {
  const { thread } = queueThread(t, 'gates')
  t.match(await errorOf(thread.callThread('echo', 1, { timeoutMs: 20 })), {
    code: 'DEADLINE_EXCEEDED',
    message: /gates\.echo within 20 ms/,
  })
  t.equal(thread.methodQueue.size, 0)
})

testOnce(t, 'a deadline longer than the longest timer does not fire', async (t) => {
  const { thread } = gates
  const calls = [
    thread.callThread('echo', 1, { timeoutMs: Number.POSITIVE_INFINITY }),
    thread.callThread('echo', 2, { timeoutMs: 2 ** 40 }),
  ]
  t.strictSame(await Promise.all(calls), [1, 2])
})

testOnce(t, 'priority: 9 runs first, and equals in the order they came', async (t) => {
  const { thread } = oneAtATime
  thread.methodQueue.paused = true
  const order: unknown[] = []
  const calls = [5, 0, 9, 5, 9].map((priority, index) =>
    thread.callThread('echo', `${priority} came ${index}`, { priority }).then((value) => order.push(value)),
  )
  thread.methodQueue.paused = false
  await Promise.all(calls)
  t.strictSame(order, ['9 came 2', '9 came 4', '5 came 0', '5 came 3', '0 came 1'])
})

testOnce(t, 'an invalid priority is refused, and the queue goes on', async (t) => {
  const { thread } = gates
  for (const priority of [10, -1, 1.5, Number.NaN]) {
    t.match(await errorOf(thread.callThread('echo', 1, { priority })), { name: 'RangeError', message: /priority/ })
    t.throws(() => thread.castThread('echo', 1, { priority }), { name: 'RangeError' })
  }
  t.equal(await thread.callThread('echo', 1), 1)
})

testOnce(t, 'a full queue is QUEUE_FULL with retryAfterSeconds; the module sets its capacity', async (t) => {
  const { thread, log } = await startedThread(t, 'small-queue')
  const end = new AbortController()
  const running = errorOf(thread.callThread('hold', null, { signal: end.signal }))
  await log.line('holding')
  const waiting = [thread.callThread('echo', 1), thread.callThread('echo', 2)]
  const full = await errorOf(thread.callThread('echo', 3))
  t.match(full, { code: 'QUEUE_FULL', status: 503, facts: { service: 'small-queue', method: 'echo', started: false } })
  const { retryAfterSeconds } = (full as unknown as { facts: { retryAfterSeconds: number } }).facts
  t.ok(Number.isInteger(retryAfterSeconds) && retryAfterSeconds >= 1 && retryAfterSeconds <= 60)
  t.throws(() => thread.castThread('echo', 3), { code: 'QUEUE_FULL' }, 'of a cast it is thrown')
  end.abort()
  await running
  t.strictSame(await Promise.all(waiting), [1, 2])
})

t.test('results in the process are structured clones: bytes, Map, Date and cycles survive', async (t) => {
  const { thread } = oddResults
  const bytes = await thread.callThread('bytes', null)
  t.ok(bytes instanceof Uint8Array)
  t.equal(Buffer.from(bytes as Uint8Array).toString(), 'bytes')
  t.strictSame(await thread.callThread('map', null), new Map([['at', new Date(0)]]))
  const cycle = (await thread.callThread('cycle', null)) as { self: unknown }
  t.equal(cycle.self, cycle)
  t.equal(await thread.callThread('echo', undefined), undefined)
  t.equal(await thread.callThread('echo', 10n), 10n)
})

t.test('payloads are structured clones: Map and Date reach the handler through its schema', async (t) => {
  const { thread } = oddResults
  const payload = {
    at: new Date('2026-11-23'),
    tags: new Map([
      ['a', 1],
      ['b', 2],
    ]),
  }
  t.strictSame(await thread.callThread('dated', payload), { year: 2026, sum: 3 })
  for (const [value, kind] of [
    [new Map(), 'Map'],
    [new Date(), 'Date'],
    [new Uint8Array(1), 'Uint8Array'],
  ] as const) {
    t.equal(await thread.callThread('kindOf', value), `[object ${kind}]`)
  }
})

t.test('a payload that its schema refuses is VALIDATION_FAILED with pointers', async (t) => {
  const { thread } = oddResults
  const error = await errorOf(thread.callThread('dated', { at: 'today', tags: new Map() }))
  t.match(error, { code: 'VALIDATION_FAILED', facts: { started: false, errors: [{ pointer: '/at' }] } })
})

t.test('a payload that cannot be cloned fails its own call, and no other call of the same turn', async (t) => {
  const { thread } = oddResults
  const trap = {
    get bad(): never {
      throw null
    },
  }
  const [before, refused, trapped, after] = await Promise.allSettled([
    thread.callThread('echo', 'before'),
    thread.callThread('echo', () => {}),
    thread.callThread('echo', trap),
    thread.callThread('echo', 'after'),
  ])
  t.match(before, { value: 'before' })
  t.match(refused, { reason: { code: 'VALIDATION_FAILED', facts: { started: false } } })
  t.match(trapped, { reason: { code: 'VALIDATION_FAILED' } })
  t.match(after, { value: 'after' })
})

t.test('a result that cannot be cloned is RESULT_NOT_SERIALIZABLE, and fails no other call', async (t) => {
  const { thread } = oddResults
  const { threadId } = thread
  const [before, refused, trapped, after] = await Promise.allSettled([
    thread.callThread('echo', 'before'),
    thread.callThread('function', null),
    thread.callThread('getter', null),
    thread.callThread('echo', 'after'),
  ])
  t.match(before, { value: 'before' })
  t.match(refused, { reason: { code: 'RESULT_NOT_SERIALIZABLE', facts: { started: true } } })
  t.match(trapped, { reason: { code: 'RESULT_NOT_SERIALIZABLE' } })
  t.match(after, { value: 'after' })
  t.equal(thread.threadId, threadId)
  t.equal(thread.state, 'running')
})

t.test('a result that its schema refuses is RESULT_INVALID', async (t) => {
  const { thread } = oddResults
  t.match(await errorOf(thread.callThread('wrong', null)), {
    code: 'RESULT_INVALID',
    facts: { started: true, errors: [{ pointer: '/html' }] },
  })
})

t.test('two thousand calls of one turn resolve, each to its own result', async (t) => {
  const { thread } = hooks
  const numbers = Array.from({ length: 2_000 }, (_, index) => index)
  t.strictSame(await Promise.all(numbers.map((n) => thread.callThread('echo', n))), numbers)
  t.equal(thread.methodQueue.size, 0)
  t.equal(thread.running + thread.prefetched, 0)
})
