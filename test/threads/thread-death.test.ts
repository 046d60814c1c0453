/**
 * A thread may die at any moment, and no promise is left pending (P4). A method that goes on after its own deadline
 * ends its thread; the deadline of a client does not.
 */
import t from 'tap'
import { serveGates } from '../gates.ts'
import { MethodQueue } from '../../src/queue/method-queue.ts'
import { QueuedMethod } from '../../src/queue/queued-method.ts'
import { OneForOneSupervisor } from '../../src/supervision/supervisor.ts'
import { Service } from '../../src/supervision/service.ts'
import { WorkerThread } from '../../src/threads/worker-thread.ts'
import {
  errorOf,
  isolation,
  queueThread,
  reached,
  shorten,
  startedThread,
  testOnce,
  watched,
  within,
} from '../helper.ts'

const open = serveGates(t)

const policy = { maxRestarts: 100, periodMs: 60_000, backoffMs: 10, backoffMaxMs: 20 }

const deaths = {
  exception: { name: 'TypeError', message: 'thrown by nobody', code: 'E_NOBODY' },
  exit: { message: 'the thread of dies exited with code 3' },
  exitInGoodOrder: { message: 'the thread of dies exited with code 0' },
  rejection: { message: 'rejected by nobody' },
}

/** In a process, the others take the same way: the thread reports an error that nobody caught, or exits with a code. */
const DEATHS_IN_PROCESS = ['exception', 'exit']

for (const [method, reason] of Object.entries(deaths)) {
  if (isolation === 'process' && !DEATHS_IN_PROCESS.includes(method)) continue
  t.test(
    `no promise is left pending when the thread dies by ${method}: begun and queued are THREAD_DIED`,
    async (t) => {
      const { thread, log } = await startedThread(t, 'dies')
      const hanging = errorOf(thread.callThread('hang', null))
      await log.line('hanging')
      const deadly = errorOf(thread.callThread(method, null))
      const queued = errorOf(thread.callThread('echo', 1))
      thread.castThread('echo', 1)
      t.match(await hanging, { code: 'THREAD_DIED', status: 502, facts: { started: true }, cause: reason })
      t.match(await deadly, { code: 'THREAD_DIED', cause: reason })
      // Nobody restarts the thread. An exception leaves the thread another turn, in which it may run the next method.
      await reached(thread, 'crashed')
      t.match(await queued, { code: 'THREAD_DIED' })
      t.match(thread.crashReason, reason)
      t.equal(thread.methodQueue.size, 0)
    },
  )
}

t.test(
  'a method that ends in the turn in which the thread exits has its result, and log lines of that turn are written',
  async (t) => {
    const { thread, log } = await startedThread(t, 'dies')
    const [ended, deadly] = await Promise.allSettled([thread.callThread('echo', 1), thread.callThread('exit', null)])
    t.match(ended, { value: 1 })
    t.match(deadly, { reason: { code: 'THREAD_DIED' } })
    await log.line('last words')
  },
)

t.test('no promise is left pending when the thread is terminated', async (t) => {
  const { workers, Worker } = watched()
  const { thread, log } = await startedThread(t, 'dies', { Worker })
  const hanging = errorOf(thread.callThread('hang', null))
  await log.line('hanging')
  await workers[0]?.terminate()
  t.match(await hanging, { code: 'THREAD_DIED' })
  t.equal(thread.state, 'crashed')
})

t.test('no promise is left pending when the thread runs out of memory', async (t) => {
  const { thread } = await startedThread(t, 'dies', { options: { limits: { maxOldGenerationSizeMb: 24 } } })
  const error = await errorOf(thread.callThread('memory', null))
  t.match(error, { code: 'THREAD_DIED', cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' } })
  t.match(thread.crashReason, { code: 'ERR_WORKER_OUT_OF_MEMORY' })
})

t.test(
  'calls that had not begun when the thread died go back to the queue, and run after the restart without an error',
  async (t) => {
    const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
    const { thread } = queueThread(t, 'dies', { options: { numWorkers: 1 } })
    supervisor.add(thread)
    t.teardown(() => supervisor.stop())
    await supervisor.start()
    const deadly = errorOf(thread.callThread('exit', null))
    const waiting = Array.from({ length: 100 }, (_, index) => thread.callThread('echo', index))
    t.match(await deadly, { code: 'THREAD_DIED' })
    t.strictSame(await within(Promise.all(waiting), 'all calls'), [...waiting.keys()])
    t.equal(thread.restartCount, 1)
  },
)

testOnce(t, 'calls that had not begun keep their order and their deadlines through a restart', async (t) => {
  const supervisor = new OneForOneSupervisor({
    name: 'supervisor',
    policy: { ...policy, backoffMs: 200, backoffMaxMs: 200 },
  })
  const { thread } = queueThread(t, 'dies', { options: { numWorkers: 1, prefetch: 2 } })
  supervisor.add(thread)
  t.teardown(() => supervisor.stop())
  await supervisor.start()
  const order: unknown[] = []
  const deadly = errorOf(thread.callThread('exit', null))
  const impatient = errorOf(thread.callThread('echo', 'impatient', { timeoutMs: 50 }))
  const waiting = [0, 1, 2, 3, 4].map((n) => thread.callThread('echo', n).then((value) => order.push(value)))
  await deadly
  t.match(await impatient, { code: 'DEADLINE_EXCEEDED', facts: { started: false } })
  await within(Promise.all(waiting), 'all calls')
  t.strictSame(order, [0, 1, 2, 3, 4])
})

testOnce(
  t,
  'calls that wait for a thread whose parent is supervised run after the restart of the parent',
  async (t) => {
    const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
    const parent = new Service({ name: 'parent' })
    const thread = parent.addDependency(queueThread(t, 'dies', { options: { numWorkers: 1 } }).thread)
    supervisor.add(parent)
    t.teardown(() => supervisor.stop())
    await supervisor.start()
    const deadly = errorOf(thread.callThread('exit', null))
    const waiting = thread.callThread('echo', 'after')
    t.match(await deadly, { code: 'THREAD_DIED' })
    t.equal(await within(waiting, 'the call'), 'after')
    t.equal(parent.restartCount, 1)
  },
)

testOnce(t, 'calls that wait are THREAD_DIED as soon as the supervisor has given the thread up', async (t) => {
  const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy: { ...policy, maxRestarts: 0 } })
  const { thread, log } = queueThread(t, 'dies', { options: { numWorkers: 1 } })
  supervisor.add(thread)
  t.teardown(() => supervisor.stop())
  await supervisor.start()
  const deadly = errorOf(thread.callThread('hang', null))
  await log.line('hanging')
  const waiting = errorOf(thread.callThread('echo', 1))
  thread.crashThread('exit', 'on purpose')
  t.match(await deadly, { code: 'THREAD_DIED', facts: { started: true } })
  t.match(await waiting, { code: 'THREAD_DIED', facts: { started: false } })
  t.equal(supervisor.recoveryOf(thread), 'failed')
})

// One service, whose thread is retired again and again: each test goes on where the test before has left it.
{
  const RETIRED = 'the thread is retired: a method goes on after its deadline'
  /** For each worker that was started: whether all others had ended by then. */
  const endedBefore: boolean[] = []
  const { workers, Worker } = watched(() => endedBefore.push(workers.every((worker) => worker.isStopped)))
  const options = { cancelGraceMs: 50, shutdownTimeoutMs: 300 }
  const { thread, log } = queueThread(t, 'gates', { options, Worker })
  const allButLastEnded = () =>
    within(Promise.all(workers.slice(0, -1).map((worker) => worker.stop())), 'the end of retired threads')

  t.test(
    'a method past its own timeoutMs and cancelGraceMs retires its thread; other calls lose nothing',
    async (t) => {
      // On a busy machine a thread may be silent for seconds: what it has not begun would go to another one.
      shorten(t, { unresponsiveAfterMs: 60_000 })
      const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
      supervisor.add(thread)
      await supervisor.start()
      const { threadId } = thread
      const bystander = thread.callThread('wait', { key: 'bystander' })
      const stubborn = errorOf(thread.callThread('stubborn', { key: 'stubborn' }))
      await log.line('begun stubborn')
      const queued = thread.callThread('echo', 'queued')
      t.match(await stubborn, { code: 'DEADLINE_EXCEEDED', facts: { started: true } })
      t.match(await log.line(RETIRED), { level: 'warn', fields: { method: 'stubborn' } })
      t.equal(await within(queued, 'the call that had not begun'), 'queued')
      t.not(thread.threadId, threadId, 'a new thread takes new work')
      open('bystander')
      t.equal(await within(bystander, 'the bystander'), 'bystander')
      t.equal(thread.restartCount, 0)
      t.equal(supervisor.budget.remaining, 100)
      t.equal(thread.crashReason, undefined)
      t.equal(thread.state, 'running')
      supervisor.discard(thread)
      await allButLastEnded()
    },
  )

  t.test('a thread that loops past its deadline is retired and ended, and only then a new one starts', async (t) => {
    const times = log.count(RETIRED)
    const looping = errorOf(thread.callThread('loop', null))
    const queued = thread.callThread('echo', 'queued')
    t.match(await looping, { code: 'DEADLINE_EXCEEDED' })
    t.equal(await within(queued, 'the call after it'), 'queued')
    await log.line(RETIRED, times + 1)
    t.equal(await within(thread.callThread('echo', 'next'), 'the call that meets a new thread'), 'next')
    await allButLastEnded()
    t.equal(endedBefore.at(-1), true)
    t.equal(thread.restartCount, 0)
    t.equal(thread.state, 'running')
  })

  testOnce(t, 'a retired thread whose methods end is stopped, and costs no error', async (t) => {
    const times = log.count(RETIRED)
    log.lines.splice(0, log.lines.length, ...log.lines.filter(({ message }) => message === RETIRED))
    const { threadId } = thread
    const bystander = thread.callThread('wait', { key: 'other' })
    await log.line('begun other')
    await errorOf(thread.callThread('stubborn', { key: 'goes on' }))
    await log.line(RETIRED, times + 1)
    open('goes on')
    open('other')
    t.equal(await bystander, 'other')
    t.equal(await thread.callThread('echo', 1), 1)
    t.not(thread.threadId, threadId)
    await allButLastEnded()
    t.equal(log.lines.filter(({ level }) => level === 'error' || level === 'fatal').length, 0)
  })

  testOnce(
    t,
    'a cancelled job that goes on after the grace retires its thread; a job that ends within the grace does not',
    async (t) => {
      const times = log.count(RETIRED)
      const cast = (method: string, key: string) => {
        const kind = 'cast' as const
        const job = { id: key, attempt: 1 }
        const options = {
          service: 'gates',
          payload: { key },
          format: 'clone',
          bytes: 0,
          priority: 5,
          timeoutMs: 30_000,
        } as const
        const queued = new QueuedMethod({ ...options, method, kind, job })
        thread.methodQueue.enqueue(queued)
        return queued
      }
      const { threadId } = thread
      const obedient = cast('wait', 'obedient')
      await log.line('begun obedient')
      obedient.cancel()
      t.match(await errorOf(obedient.promise), { code: 'JOB_CANCELLED', facts: { started: true } })
      await log.line('aborted obedient: JOB_CANCELLED')
      t.equal(await thread.callThread('echo', 1), 1)
      t.equal(thread.threadId, threadId)
      const stubborn = cast('stubborn', 'cancelled')
      await log.line('begun cancelled')
      stubborn.cancel()
      t.match(await errorOf(stubborn.promise), { code: 'JOB_CANCELLED', facts: { jobId: 'cancelled' } })
      await log.line(RETIRED, times + 1)
      t.equal(await thread.callThread('echo', 2), 2)
      t.not(thread.threadId, threadId)
      t.equal(thread.restartCount, 0)
      await allButLastEnded()
    },
  )

  testOnce(t, 'stop() ends retired threads too, after shutdownTimeoutMs', async (t) => {
    const bystander = errorOf(thread.callThread('wait', { key: 'never' }))
    await log.line('begun never')
    await errorOf(thread.callThread('stubborn', { key: 'never too' }))
    t.equal(await thread.callThread('echo', 'there is a new thread'), 'there is a new thread')
    t.strictSame(
      workers.slice(-2).map((worker) => worker.isStopped),
      [false, false],
    )
    await thread.stop()
    t.match(await bystander, { code: 'THREAD_DIED' })
    t.ok(workers.every((worker) => worker.isStopped))
  })
}

t.test(
  'payloads of calls that were aborted before their turn do not pile up in the memory of a busy thread',
  async (t) => {
    const options = { numWorkers: 1, prefetch: 2, limits: { maxOldGenerationSizeMb: 48 } }
    const { thread, log } = await startedThread(t, 'gates', { options })
    const busy = thread.callThread('wait', { key: 'busy' })
    await log.line('begun busy')
    const large = 'x'.repeat(1_000_000)
    // Together they have twice the size of the heap.
    for (let index = 0; index < 100; index += 1) {
      const cancelled = new AbortController()
      const call = errorOf(thread.callThread('echo', `${index}${large}`, { signal: cancelled.signal }))
      // The call is posted to the thread at the end of this turn.
      await new Promise((resolve) => setImmediate(resolve))
      cancelled.abort()
      await call
    }
    open('busy')
    t.equal(await busy, 'busy')
    t.equal(await thread.callThread('echo', 1), 1)
  },
)

testOnce(
  t,
  'threads that share a queue take over from one another: calls that had not begun run in another thread',
  async (t) => {
    const methodQueue = new MethodQueue({ service: 'dies', capacity: 1_000, maxBytes: 1_000_000 })
    const options = { numWorkers: 1 }
    const { thread: first } = await startedThread(t, 'dies', { methodQueue, options })
    const deadly = errorOf(first.callThread('exit', null))
    const waiting = Array.from({ length: 20 }, (_, index) => first.callThread('echo', index))
    t.match(await deadly, { code: 'THREAD_DIED' })
    t.equal(first.state, 'crashed')
    const late = first.callThread('echo', 'late')
    const { thread: second } = await startedThread(t, 'dies', { methodQueue, options })
    t.strictSame(await within(Promise.all(waiting), 'all calls'), [...waiting.keys()])
    t.equal(await late, 'late')
    t.equal(second.state, 'running')
  },
)

testOnce(
  t,
  'stop() of one of the threads that share a queue finishes the methods it has begun, and leaves the rest to the others',
  async (t) => {
    const methodQueue = new MethodQueue({ service: 'gates', capacity: 1_000, maxBytes: 1_000_000 })
    const options = { numWorkers: 1 }
    const { thread: first, log } = await startedThread(t, 'gates', { methodQueue, options })
    const begun = first.callThread('wait', { key: 'begun' })
    await log.line('begun begun')
    const waiting = Array.from({ length: 20 }, (_, index) => first.callThread('echo', index))
    const { thread: second } = await startedThread(t, 'gates', { methodQueue, options })
    const stopped = first.stop()
    t.strictSame(await within(Promise.all(waiting), 'all calls'), [...waiting.keys()])
    t.equal(first.state, 'stopping')
    open('begun')
    t.equal(await begun, 'begun')
    await stopped
    t.equal(await second.callThread('echo', 1), 1)
  },
)

testOnce(t, 'a thread that has died before its start is noticed makes no running service', async (t) => {
  /** The last messages and the end of the thread come in one turn, as Node delivers them to a busy control thread. */
  class AllAtOnce extends WorkerThread {
    constructor(options: ConstructorParameters<typeof WorkerThread>[0]) {
      const late: Parameters<typeof options.onMessages>[0] = []
      super({
        ...options,
        onMessages: (messages) => {
          if (messages.some(({ type }) => type === 'started')) late.push(...messages)
          else options.onMessages(messages)
        },
        onExit: (exitCode) => {
          options.onMessages(late)
          options.onExit(exitCode)
        },
      })
    }
  }
  const { thread } = queueThread(t, 'dies-once-started', { Worker: AllAtOnce })
  t.match(await errorOf(thread.start()), { message: /exited with code 3/ })
  t.equal(thread.state, 'crashed')
})

testOnce(t, 'a thread that turns and begins nothing that it was handed is ended', async (t) => {
  shorten(t, { beginWithinMs: 200 })
  class Deaf extends WorkerThread {
    override post(messages: Parameters<WorkerThread['post']>[0]) {
      super.post(messages.filter(({ type }) => type !== 'run'))
    }
  }
  const { thread } = await startedThread(t, 'dies', { Worker: Deaf })
  const unheard = within(errorOf(thread.callThread('echo', 1)), 'the end of the call')
  t.match(await unheard, { code: 'THREAD_DIED', facts: { started: false } })
  t.match(thread, {
    state: 'crashed',
    crashReason: { message: /^the thread of dies has begun nothing that it was handed for 200 ms/ },
  })
})
