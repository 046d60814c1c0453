/**
 * The public members of Python's mode.threads, one by one: docs/from-mode.md lists them. What needs more than a few lines
 * has tests of its own; they are named here.
 */
import t from 'tap'
import {
  MethodQueue,
  type QueuedMethod,
  QueueServiceThread,
  Service,
  ServiceThread,
  ServiceWorker,
  WorkerProcess,
  WorkerThread,
} from 'threadplane'
import { Deferred } from '../../src/async/deferred.ts'
import { errorOf, fixture, queueThread, RecordingLog, serviceThread, watched, within } from '../helper.ts'

// One service for the members that leave its thread as it is.
const { workers, Worker } = watched()
const { thread, log } = queueThread(t, 'hooks', { Worker })
const queued: QueuedMethod[] = []
const enqueue = thread.methodQueue.enqueue.bind(thread.methodQueue)
thread.methodQueue.enqueue = (method) => {
  queued.push(method)
  enqueue(method)
}

t.test('ServiceThread.maybeStart: true for the call that started the service', async (t) => {
  t.equal(await thread.maybeStart(), true)
  t.equal(await thread.maybeStart(), false)
})

t.test('ServiceThread.start: waits for the thread, and refuses a second start', async (t) => {
  t.equal(thread.state, 'running')
  t.match(await errorOf(thread.start()), { code: 'ALREADY_STARTED' })
})

t.test('ServiceThread.onThreadStarted: a hook of the module, in its thread', async (t) => {
  await log.line('onThreadStarted')
  t.strictSame(await thread.callThread('state', null), { madeBy: 'onThreadStarted' })
  t.notOk('onThreadStarted' in thread)
})

t.test('QueueServiceThread.methodQueue, callThread, castThread', async (t) => {
  t.ok(thread.methodQueue instanceof MethodQueue)
  t.equal(await thread.callThread('add', [1, 2]), 3)
  t.equal(thread.castThread('greet', { name: 'Ada' }), undefined)
  await within(thread.idle(), 'the end of the cast')
})

t.test('QueuedMethod: promise, method, args, kwargs', async (t) => {
  const [byPosition, byName] = queued.slice(-2) as [QueuedMethod, QueuedMethod]
  t.equal(byPosition.method, 'add', 'by name, as a function does not cross threads')
  t.strictSame(byPosition.args, [1, 2])
  t.strictSame(byPosition.kwargs, {})
  t.equal(await byPosition.promise, 3)
  t.strictSame(byName.args, [])
  t.strictSame(byName.kwargs, { name: 'Ada' })
  t.strictSame(await byName.promise, { greeting: 'Hello, Ada' })
})

t.test('WorkerThread: service, isStopped, stop', async (t) => {
  const [worker] = workers as [ServiceWorker]
  t.equal(worker.service, 'hooks', 'its name')
  t.equal(worker.isStopped, false)
  const joined = worker.stop()
  await thread.stop()
  await within(joined, 'the join')
  t.equal(worker.isStopped, true)
})

t.test('ServiceThread.onThreadStop: a hook of the module, in its thread', async (t) => {
  t.equal(log.lines.at(-1)?.message, 'onThreadStop with state {"madeBy":"onThreadStarted"}')
  t.notOk('onThreadStop' in thread)
})

t.test(
  'WorkerThread.run: launches the thread; start() calls it, and it resolves when the thread has ended',
  async (t) => {
    let ran: Promise<void> | undefined
    class Running extends WorkerThread {
      override run() {
        ran = super.run()
        return ran
      }
    }
    const { thread } = serviceThread(t, 'hooks', { Worker: Running })
    await thread.start()
    const turn = new Promise((resolve) => setImmediate(resolve, 'not ended'))
    t.equal(await Promise.race([ran, turn]), 'not ended')
    await thread.stop()
    await within(ran as Promise<void>, 'the end of run()')
  },
)

t.test('ServiceThread.Worker: the class for the isolation, unless another is given', (t) => {
  const module = fixture('hooks')
  const worker = (settings: object) => new ServiceThread({ name: 'hooks', module, ...settings }).Worker
  t.equal(worker({}), WorkerThread)
  t.equal(worker({ options: { isolation: 'process' } }), WorkerProcess)
  t.equal(worker({ Worker }), Worker)
  t.end()
})

t.test('ServiceThread.waitForThread, waitForShutdown: true unless the options say false', (t) => {
  const { thread } = serviceThread(t, 'hooks')
  t.match(thread, { waitForThread: true, waitForShutdown: true })
  const { thread: other } = serviceThread(t, 'hooks', { waitForThread: false, waitForShutdown: false })
  t.match(other, { waitForThread: false, waitForShutdown: false })
  t.end()
})

t.test('ServiceThread.lastWakeupAt: 0 without a thread', (t) => {
  // Its movement is tested in service-thread.test.ts.
  t.equal(serviceThread(t, 'hooks').thread.lastWakeupAt, 0)
  t.end()
})

t.test('ServiceThread.logger: the option log', (t) => {
  const log = new RecordingLog().log
  t.equal(new ServiceThread({ name: 'hooks', module: fixture('hooks'), log }).logger, log)
  t.equal(new Service({ name: 'plain', log }).logger, log)
  t.end()
})

t.test('ServiceThread.crash, onCrash: marks the service crashed, and reports at fatal', async (t) => {
  const { thread, log } = serviceThread(t, 'hooks')
  await thread.start()
  const reason = new Error('the roof fell in')
  thread.crash(reason)
  t.match(thread, { state: 'crashed', crashed: true, crashReason: reason })
  t.match(await log.line('hooks crashed'), { level: 'fatal', fields: { err: reason } })
  class Quiet extends Service {
    told: unknown[] = []
    override onCrash(message: string, error: Error) {
      this.told.push(message, error)
    }
  }
  const quiet = new Quiet({ name: 'quiet' })
  quiet.crash(reason)
  t.strictSame(quiet.told, ['quiet crashed', reason], 'a subclass may report otherwise')
})

t.test('abstract: no flag, as the classes are used as they are: a module says what they run', (t) => {
  for (const Class of [ServiceThread, QueueServiceThread]) {
    t.equal(new Class({ name: 'hooks', module: fixture('hooks') }).state, 'stopped')
  }
  t.end()
})

t.test('ServiceThread.setShutdown: the end of the thread calls it, and stop() waits for that', async (t) => {
  const order: string[] = []
  class Recording extends ServiceThread {
    override setShutdown() {
      order.push('setShutdown')
      super.setShutdown()
    }
    override async onShutdown() {
      order.push('onShutdown')
    }
  }
  const { workers, Worker } = watched()
  const thread = new Recording({ name: 'hooks', module: fixture('hooks'), Worker, log: new RecordingLog().log })
  await thread.start()
  void workers[0]?.stop().then(() => order.push('ended'))
  await thread.stop()
  t.strictSame(order, ['ended', 'setShutdown', 'onShutdown'])
})

/** A service whose thread never ends by itself, and may take a minute for that. */
function neverStops(Class = ServiceThread) {
  const { workers, Worker } = watched()
  const log = new RecordingLog()
  const options = { shutdownTimeoutMs: 60_000 }
  const thread = new Class({ name: 'never', module: fixture('never-stops'), Worker, log: log.log, options })
  return { thread, workers, log }
}

t.test('ServiceThread.setShutdown, called by a subclass: stop() goes on, and the next start waits', async (t) => {
  class Early extends ServiceThread {
    override async onStop() {
      this.setShutdown()
    }
  }
  const { thread, workers } = neverStops(Early)
  const child = thread.addDependency(new Service({ name: 'child' }))
  await thread.start()
  await within(thread.stop(), 'stop() without the end of the thread')
  t.equal(thread.state, 'stopped')
  t.equal(child.state, 'stopped')
  t.equal(workers[0]?.isStopped, false)
  const started = thread.start()
  t.equal(workers.length, 1, 'no second thread beside the first')
  await workers[0]?.terminate()
  await within(started, 'the next start')
  t.equal(workers.length, 2)
  await thread.stop()
  await workers[1]?.terminate()
})

t.test('ServiceThread.setShutdown, called from outside: for one stop, the next one waits again', async (t) => {
  const { thread, workers, log } = neverStops()
  await thread.start()
  const stopped = thread.stop()
  await log.line('onThreadStop')
  t.equal(thread.state, 'stopping')
  thread.setShutdown()
  await within(stopped, 'stop() after the signal')
  await workers[0]?.terminate()
  await thread.start()
  const again = thread.stop()
  await log.line('onThreadStop', 2)
  t.equal(thread.state, 'stopping')
  await workers[1]?.terminate()
  await within(again, 'stop() after the end of the thread')
})

t.test('ServiceThread.setShutdown: the end of a crashed thread calls it too', async (t) => {
  const { promise: signalled, resolve } = new Deferred<void>()
  class Recording extends ServiceThread {
    override setShutdown() {
      super.setShutdown()
      resolve()
    }
  }
  const { thread, workers } = neverStops(Recording)
  await thread.start()
  thread.crash(new Error('enough'))
  await within(signalled, 'the signal')
  t.equal(workers[0]?.isStopped, true)
})
