/**
 * The public members of Python's mode.threads, one by one, as docs/from-mode.md lists them. Their behaviour in detail
 * has tests in the other files of this folder.
 */
import t from 'tap'
import {
  MethodQueue,
  type QueuedMethod,
  QueueServiceThread,
  Service,
  ServiceThread,
  WorkerProcess,
  WorkerThread,
} from 'threadplane'
import { Deferred } from '../../src/async/deferred.ts'
import { errorOf, fixture, RecordingLog, serviceThread, watched, within } from '../helper.ts'

// One service for all members that can be tested without another thread. It records what is called.
const order: string[] = []
const workers: WorkerThread[] = []
const queued: QueuedMethod[] = []
let ran: Promise<void> | undefined

class RecordingWorker extends WorkerThread {
  override run() {
    workers.push(this)
    ran = super.run()
    void ran.then(() => order.push('the thread has ended'))
    return ran
  }
}
class RecordingQueue extends MethodQueue {
  override enqueue(method: QueuedMethod) {
    queued.push(method)
    super.enqueue(method)
  }
}
class RecordingThread extends QueueServiceThread {
  override setShutdown() {
    order.push('setShutdown')
    super.setShutdown()
  }
  override async onShutdown() {
    order.push('onShutdown')
  }
}
const log = new RecordingLog()
const thread = new RecordingThread({
  name: 'hooks',
  module: fixture('hooks'),
  log: log.log,
  Worker: RecordingWorker,
  methodQueue: new RecordingQueue({ service: 'hooks', capacity: 100, maxBytes: 1_000 }),
})
t.teardown(() => thread.stop())

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

t.test('WorkerThread: service, run, isStopped, stop', async (t) => {
  const [worker] = workers as [WorkerThread]
  t.equal(worker.service, 'hooks', 'its name')
  t.equal(worker.isStopped, false)
  const turn = new Promise((resolve) => setImmediate(resolve, 'next turn'))
  t.equal(await Promise.race([ran, turn]), 'next turn', 'run() was called by start(), and goes on')
  const joined = worker.stop()
  await thread.stop()
  await within(joined, 'stop() of the worker')
  await within(ran as Promise<void>, 'run()')
  t.equal(worker.isStopped, true)
})

t.test('ServiceThread.setShutdown: the end of the thread calls it, and stop() waits for that', (t) => {
  t.strictSame(order, ['the thread has ended', 'setShutdown', 'onShutdown'])
  t.end()
})

t.test('ServiceThread.onThreadStop: a hook of the module, in its thread', async (t) => {
  t.equal(log.lines.at(-1)?.message, 'onThreadStop with state {"madeBy":"onThreadStarted"}')
  t.notOk('onThreadStop' in thread)
})

t.test('ServiceThread.Worker: the class for the isolation, unless another is given', (t) => {
  const module = fixture('hooks')
  const worker = (settings: object) => new ServiceThread({ name: 'hooks', module, ...settings }).Worker
  t.equal(worker({}), WorkerThread)
  t.equal(worker({ options: { isolation: 'process' } }), WorkerProcess)
  t.equal(worker({ Worker: RecordingWorker }), RecordingWorker)
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
  // With a thread: see service-thread.test.ts.
  t.equal(serviceThread(t, 'hooks').thread.lastWakeupAt, 0)
  t.end()
})

t.test('ServiceThread.logger: the option log', (t) => {
  const log = new RecordingLog().log
  t.equal(new ServiceThread({ name: 'hooks', module: fixture('hooks'), log }).logger, log)
  t.equal(new Service({ name: 'plain', log }).logger, log)
  t.end()
})

t.test('ServiceThread.crash, onCrash: marks the service crashed, reports at fatal, and ends the thread', async (t) => {
  const { promise: signalled, resolve } = new Deferred<void>()
  class Signalling extends ServiceThread {
    override setShutdown() {
      super.setShutdown()
      resolve()
    }
  }
  const { workers, Worker } = watched()
  const log = new RecordingLog()
  const thread = new Signalling({ name: 'hooks', module: fixture('hooks'), Worker, log: log.log })
  await thread.start()
  const reason = new Error('the roof fell in')
  thread.crash(reason)
  t.match(thread, { state: 'crashed', crashed: true, crashReason: reason })
  t.match(await log.line('hooks crashed'), { level: 'fatal', fields: { err: reason } })
  await within(signalled, 'the shutdown signal, which the end of a crashed thread sets too')
  t.equal(workers[0]?.isStopped, true)

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

/** A service whose thread never ends by itself, and is terminated only a minute after `stop()`. */
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
