/** A ServiceThread behaves as in mode. With real threads. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Service } from '../../src/supervision/service.ts'
import { ServiceThread } from '../../src/threads/service-thread.ts'
import { timings } from '../../src/threads/timings.ts'
import { WorkerThread } from '../../src/threads/worker-thread.ts'
import {
  errorOf,
  fixture,
  isolation,
  queueThread,
  reached,
  RecordingLog,
  serviceThread,
  shorten,
  startedThread,
  testOnce,
  watched,
} from '../helper.ts'

/** The hooks of a module, in the order in which its thread ran them. */
const hooks = (log: RecordingLog) => log.messages.filter((message) => message.startsWith('on'))

// The lives of one service: each test goes on where the test before has left it.
{
  /** For each worker that was started: how many others had not ended by then. */
  const alive: number[] = []
  const { workers, Worker } = watched(() => alive.push(workers.filter((worker) => !worker.isStopped).length))
  const { thread, log } = serviceThread(t, 'hooks', { Worker })
  for (const name of ['one', 'two']) thread.addDependency(new Service({ name }))

  t.test('maybeStart() under concurrent callers launches one thread, of the class Worker', async (t) => {
    const started = await Promise.all([thread.maybeStart(), thread.maybeStart(), thread.maybeStart()])
    t.strictSame(started, [true, false, false])
    t.equal(workers.length, 1)
    t.ok(workers[0] instanceof Worker)
  })

  t.test('start() waits until the thread is fully started: its hooks have run, its children are started', async (t) => {
    t.strictSame(hooks(log), ['onStart', 'onStarted', 'onThreadStarted'])
    t.equal(thread.state, 'running')
    t.ok(thread.children.every(({ state }) => state === 'running'))
  })

  t.test('the hooks of a module run in a thread of its own, and in a process of its own if so isolated', async (t) => {
    const { processId, threadId } = (await log.line('onThreadStarted')).fields
    t.not(threadId, 0, 'not in a main thread')
    t.equal(processId === process.pid, isolation === 'thread')
  })

  testOnce(t, 'start() on a started service is ALREADY_STARTED', async (t) => {
    t.match(await errorOf(thread.start()), { code: 'ALREADY_STARTED' })
  })

  testOnce(t, 'restart() is stop, reset, onRestart, start: in the thread too', async (t) => {
    log.lines.length = 0
    await thread.restart()
    t.strictSame(hooks(log), [
      'onThreadStop with state {"madeBy":"onThreadStarted"}',
      'onRestart',
      'onStart',
      'onStarted',
      'onThreadStarted',
    ])
    t.equal(thread.restartCount, 1)
  })

  t.test('stop() runs onThreadStop in the thread, with its state, joins it, then stops the children', async (t) => {
    const order: string[] = []
    void workers
      .at(-1)
      ?.stop()
      .then(() => order.push('thread ended'))
    for (const child of thread.children) child.on('state', (state) => order.push(`${child.name} ${state}`))
    await thread.stop()
    t.strictSame(order, ['thread ended', 'two stopping', 'two stopped', 'one stopping', 'one stopped'])
    const started = log.lines.findLast(({ message }) => message === 'onStart')
    const stopped = log.lines.at(-1)
    t.match(stopped, { message: 'onThreadStop with state {"madeBy":"onThreadStarted"}' })
    t.equal(stopped?.fields.threadId, started?.fields.threadId)
    t.ok(workers.every((worker) => worker.isStopped))
  })

  t.test('onRestart of a module does not run when the service is stopped and started again', async (t) => {
    const { restartCount } = thread
    log.lines.length = 0
    await thread.start()
    t.strictSame(hooks(log), ['onStart', 'onStarted', 'onThreadStarted'])
    t.equal(thread.restartCount, restartCount)
  })

  t.test('a crash from outside ends the thread, and the next start waits for that end', async (t) => {
    alive.length = 0
    thread.crash(new Error('the roof fell in'))
    await thread.restart()
    t.strictSame(alive, [0], 'a port that the old thread held is free')
    t.strictSame(
      workers.map((worker) => worker.isStopped),
      workers.map((_, index) => index < workers.length - 1),
    )
  })

  testOnce(t, 'stop() is idempotent, and a service that is stopped is not stopped again', async (t) => {
    log.lines.length = 0
    await Promise.all([thread.stop(), thread.stop()])
    await thread.stop()
    t.equal(hooks(log).filter((hook) => hook.startsWith('onThreadStop')).length, 1)
    const never = serviceThread(t, 'hooks')
    await never.thread.stop()
    t.strictSame(never.log.lines, [])
  })
}

t.test('an error in a hook of the start rejects start(), with name, message, code and cause', async (t) => {
  const { thread } = serviceThread(t, 'fails-to-start')
  const error = await errorOf(thread.start())
  t.match(error, { name: 'TypeError', message: 'port in use', code: 'EADDRINUSE' })
  t.match(error.cause, { message: 'somebody listens there' })
  t.equal(thread.state, 'crashed')
  t.equal(thread.crashReason, error)
})

testOnce(t, 'an error at the import of the module rejects start()', async (t) => {
  const { thread } = serviceThread(t, 'fails-at-import')
  t.match(await errorOf(thread.start()), { name: 'SyntaxError', message: 'not today', code: 'E_IMPORT' })
})

testOnce(t, 'a module that is missing, or that exports no service, rejects start()', async (t) => {
  t.match(await errorOf(serviceThread(t, 'no-such-file').thread.start()), { code: 'ERR_MODULE_NOT_FOUND' })
  t.match(await errorOf(serviceThread(t, 'not-a-service').thread.start()), {
    name: 'ThreadplaneError',
    code: 'MODULE_REFUSED',
  })
})

t.test('start() is bounded by startTimeoutMs, also by that of the module; the error names the value', async (t) => {
  const { workers, Worker } = watched()
  const { thread } = serviceThread(t, 'hangs-at-start', { Worker })
  const error = await errorOf(thread.start())
  t.match(error, { code: 'START_FAILED', message: /longer than the 300 ms of startTimeoutMs/ })
  t.equal(thread.state, 'crashed')
  t.ok(
    workers.every((worker) => worker.isStopped),
    'its thread has ended',
  )
})

testOnce(
  t,
  'waitForThread: false: start() returns as soon as the thread is launched; an error is a crash',
  async (t) => {
    const { thread, log } = serviceThread(t, 'hangs-at-start', { waitForThread: false })
    await thread.start()
    t.equal(thread.state, 'starting')
    await reached(thread, 'crashed')
    t.match(await log.line('hangs-at-start crashed'), { level: 'fatal' })
  },
)

testOnce(t, 'waitForThread: false: start() on a started service is ALREADY_STARTED too', async (t) => {
  const { thread } = serviceThread(t, 'hooks', { waitForThread: false })
  await thread.start()
  t.match(await errorOf(thread.start()), { code: 'ALREADY_STARTED' })
  await reached(thread, 'running')
  t.match(await errorOf(thread.start()), { code: 'ALREADY_STARTED' })
})

t.test('stop() waits no longer than shutdownTimeoutMs, after which the thread is terminated', async (t) => {
  const { workers, Worker } = watched()
  const { thread, log } = serviceThread(t, 'never-stops', { Worker, options: { shutdownTimeoutMs: 200 } })
  await thread.start()
  await thread.stop()
  t.ok(log.messages.includes('onThreadStop'), 'onThreadStop has begun')
  t.match(await log.line('terminated: it did not stop within 200 ms'), { level: 'warn' })
  t.strictSame(
    workers.map((worker) => worker.isStopped),
    [true],
  )
  t.equal(thread.state, 'stopped')
})

testOnce(t, 'waitForShutdown: false: stop() does not wait for the end of the thread, which still comes', async (t) => {
  const { workers, Worker } = watched()
  const options = { shutdownTimeoutMs: 200 }
  const { thread } = serviceThread(t, 'never-stops', { Worker, options, waitForShutdown: false })
  await thread.start()
  await thread.stop()
  t.equal(workers[0]?.isStopped, false)
  await workers[0]?.stop()
  t.equal(workers[0]?.isStopped, true)
})

testOnce(t, 'an error in onThreadStop is logged, and the thread ends', async (t) => {
  const { thread, log } = serviceThread(t, 'fails-to-stop')
  await thread.start()
  await thread.stop()
  t.match(await log.line('error in onThreadStop'), {
    level: 'error',
    fields: { err: { message: 'stopping went wrong' } },
  })
  t.equal(thread.state, 'stopped')
})

t.test('stop() while it starts leaves no thread behind', async (t) => {
  const { workers, Worker } = watched()
  const { thread, log } = serviceThread(t, 'hangs-at-start', { Worker, options: { startTimeoutMs: 60_000 } })
  const started = errorOf(thread.start())
  await log.line('onStart')
  await thread.stop()
  t.ok(
    workers.every((worker) => worker.isStopped),
    'when stop() is through, the thread has ended',
  )
  t.match(await started, { code: 'CONFLICT' })
})

t.test(
  'stop() while the thread is launched again, with the limits of its module, leaves no thread behind',
  async (t) => {
    const { workers, Worker } = watched()
    const { thread, log } = serviceThread(t, 'own-limits', {
      Worker,
      onDescribed: () => {
        stopped ??= thread.stop()
        log.info({}, 'described')
      },
    })
    let stopped: Promise<void> | undefined
    const started = errorOf(thread.start())
    await log.line('described')
    await stopped
    t.ok(workers.every((worker) => worker.isStopped))
    t.match(await started, { code: 'CONFLICT' })
    t.equal(workers.length, 1, 'and there was no other')
    t.strictSame(hooks(log), [])
  },
)

testOnce(t, 'an exception in a task crashes the service', async (t) => {
  const { thread, log } = await startedThread(t, 'failing-task')
  const call = errorOf(thread.callThread('trip', null))
  await reached(thread, 'crashed')
  t.match(thread.crashReason, { name: 'RangeError', message: 'the task failed', code: 'E_TASK' })
  t.match(await call, { code: 'THREAD_DIED' })
  t.match(await log.line('failing-task crashed'), { level: 'fatal', fields: { err: { message: 'the task failed' } } })
})

testOnce(t, 'an exception in a timer crashes the service', async (t) => {
  const { thread, log } = await startedThread(t, 'failing-timer')
  await reached(thread, 'crashed')
  t.match(thread.crashReason, { message: 'the timer failed' })
  t.strictSame(
    log.messages.filter((message) => message.startsWith('tick')),
    ['tick 1', 'tick 2'],
  )
})

testOnce(
  t,
  'crash(reason) of a child thread without supervisor reaches parents and root, whose threads end',
  async (t) => {
    const root = new Service({ name: 'root' })
    const { workers, Worker } = watched()
    const sibling = root.addDependency(serviceThread(t, 'hooks', { Worker }).thread)
    const child = root.addDependency(queueThread(t, 'dies').thread)
    await root.start()
    await errorOf(child.callThread('exit', null))
    t.equal(root.state, 'crashed')
    t.equal(sibling.state, 'crashed')
    t.equal(root.crashReason, child.crashReason)
    await workers[0]?.stop()
  },
)

testOnce(t, 'hooks of a subclass run on the control side, hooks of a module in its thread', async (t) => {
  const told: string[] = []
  class Told extends ServiceThread {
    override async onStart() {
      told.push(`onStart ${this.state}`)
    }
    override async onStarted() {
      told.push(`onStarted ${this.state}`)
    }
    override async onStop() {
      told.push(`onStop ${this.state}`)
    }
    override async onShutdown() {
      told.push(`onShutdown ${this.state}`)
    }
    override async onRestart() {
      told.push(`onRestart ${this.state}`)
    }
  }
  const log = new RecordingLog()
  const thread = new Told({ name: 'hooks', module: fixture('hooks'), log: log.log, options: { isolation } })
  await thread.start()
  await thread.restart()
  await thread.stop()
  t.strictSame(told, [
    'onStart starting',
    'onStarted starting',
    'onStop stopping',
    'onShutdown stopping',
    'onRestart stopped',
    'onStart starting',
    'onStarted starting',
    'onStop stopping',
    'onShutdown stopping',
  ])
  const lines = log.lines.filter(({ fields }) => 'threadId' in fields)
  const threads = new Set(lines.map(({ fields: { processId, threadId } }) => JSON.stringify([processId, threadId])))
  t.equal(threads.size, 2, 'each life of it has a thread')
  t.notOk(
    lines.some(({ fields }) => fields.threadId === 0),
    'none of which is the main thread',
  )
})

testOnce(t, 'an error in onStop of a subclass does not leave its thread running', async (t) => {
  class Failing extends ServiceThread {
    override async onStop() {
      throw new Error('cannot stop')
    }
  }
  const { workers, Worker } = watched()
  const thread = new Failing({ name: 'hooks', module: fixture('hooks'), Worker })
  await thread.start()
  t.match(await errorOf(thread.stop()), { message: 'cannot stop' })
  t.strictSame(
    workers.map((worker) => worker.isStopped),
    [true],
  )
})

t.test('the limits in the options of the module are the limits of its thread', async (t) => {
  const { thread } = await startedThread(t, 'own-limits')
  t.match(await thread.callThread('limits', null), { maxOldGenerationSizeMb: 48 })
})

testOnce(t, 'a thread that failed to start can be started again', async (t) => {
  const { thread } = queueThread(t, 'fails-to-start')
  await errorOf(thread.start())
  process.env.TEST_HEALTHY = 'true'
  t.teardown(() => delete process.env.TEST_HEALTHY)
  await thread.start()
  t.equal(thread.crashReason, undefined)
  t.equal(await thread.callThread('echo', 1), 1)
})

testOnce(t, 'tasks and timers run beside the methods; stop() fires their signal and waits for their end', async (t) => {
  const { thread, log } = serviceThread(t, 'tasks')
  await thread.start()
  await log.line('tick', 2)
  await thread.stop()
  t.strictSame(
    log.messages.filter((message) => message !== 'tick'),
    ['onThreadStop', 'the task has ended'],
  )
  t.equal(thread.state, 'stopped')
})

t.test('crashThread: each kind crashes the service with its reason', async (t) => {
  const kinds = [
    ['exception', /on purpose/],
    ['exit', /exited with code 1/],
  ] as const
  // In a process too, the thread itself crashes, by the same code: one kind shows that the reason arrives.
  for (const [kind, reason] of isolation === 'thread' ? kinds : kinds.slice(0, 1)) {
    const { thread } = serviceThread(t, 'hooks')
    await thread.start()
    thread.crashThread(kind, 'on purpose')
    await reached(thread, 'crashed')
    t.match(thread.crashReason, { message: reason }, kind)
  }
})

t.test('lastWakeupAt moves without a message, and stops when the thread hangs', async (t) => {
  shorten(t, { heartbeatEveryMs: 50, checkEveryMs: 50 })
  const { thread, log } = queueThread(t, 'hangs')
  t.equal(thread.lastWakeupAt, 0, 'there is no thread yet')
  await thread.start()
  const { lastWakeupAt } = thread
  t.ok(lastWakeupAt > 0)
  // There is no event to wait for; and the timer of the checks does not keep this process alive.
  while (thread.lastWakeupAt === lastWakeupAt) await sleep(timings.checkEveryMs)
  t.ok(thread.lastWakeupAt > lastWakeupAt)
  t.equal(thread.responsive, true)

  const call = errorOf(thread.callThread('loop', null))
  await log.line('holds')
  // Not sooner: a slow thread that does not hang yet must not be reported.
  timings.unresponsiveAfterMs = 200
  t.match(await log.line('Thread keepalive is not responding'), { level: 'error', fields: { service: 'hangs' } })
  t.equal(thread.responsive, false)
  t.ok(performance.timeOrigin + performance.now() - thread.lastWakeupAt > 200)
  // Timers of one duration fire in the order they were started: each comes after another check of the heartbeat.
  for (let checks = 0; checks < 3; checks += 1) await sleep(timings.checkEveryMs)
  t.equal(log.count('Thread keepalive is not responding'), 1, 'it is said once')
  t.equal(thread.state, 'running', 'and the thread is left alone')
  thread.crash(new Error('enough'))
  t.match(await call, { code: 'THREAD_DIED' })
})

testOnce(t, 'by default the heartbeat is checked every 1.1 s, and reported as missing after 3.0 s, as in mode', (t) => {
  t.match(timings, { heartbeatEveryMs: 1_000, checkEveryMs: 1_100, unresponsiveAfterMs: 3_000 })
  t.end()
})

testOnce(t, 'eventLoopUtilization is the same for all who ask', async (t) => {
  class HalfBusy extends WorkerThread {
    protected override utilization() {
      return { idle: 500, active: 500, utilization: 0.5 }
    }
  }
  const { thread } = serviceThread(t, 'throws', { Worker: HalfBusy })
  await thread.start()
  t.strictSame([thread.eventLoopUtilization, thread.eventLoopUtilization], [0.5, 0.5])
})
