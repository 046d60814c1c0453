/**
 * Termination does not interrupt native code. A thread in native code is reported as stuck; its service goes on (P4).
 */
import t from 'tap'
import { ServiceWorker } from '../../src/threads/service-worker.ts'
import { OneForOneSupervisor } from '../../src/supervision/supervisor.ts'
import { WorkerThread } from '../../src/threads/worker-thread.ts'
import { errorOf, reached, shorten, startedThread, watched, within } from '../helper.ts'
import { serveLinks } from '../links.ts'

/** A thread holds one link while it is in native code. */
const { linked, cut } = serveLinks(t)
const STUCK = 'stuck: the thread is in native code and does not end'
const stuck = () => ServiceWorker.stuckOf('exhausts')
/**
 * Reports a stuck thread soon. A healthy thread that takes longer to end would be reported too: no test terminates one.
 */
const soon = { terminateTimeoutMs: 100, stackTimeoutMs: 50 }
const policy = { maxRestarts: 100, periodMs: 60_000, backoffMs: 10, backoffMaxMs: 20 }

// One service, whose thread is in native code again and again: each test goes on where the test before has left it.
const { workers, Worker } = watched()
const options = { cancelGraceMs: 50, shutdownTimeoutMs: 100 }
const { thread, log } = await startedThread(t, 'exhausts', { options, Worker })

t.test(
  'a method in native code past its deadline: its service goes on, its thread is stuck until it ends',
  async (t) => {
    shorten(t, soon)
    t.match(await errorOf(thread.callThread('overstay', null)), { code: 'DEADLINE_EXCEEDED' })
    t.equal(await within(thread.callThread('echo', 1), 'a call in the new thread'), 1)
    t.match(await log.line(STUCK), { level: 'error', fields: { service: 'exhausts' } })
    t.equal(stuck(), 1)
    await linked(1)
    cut()
    await log.line('the stuck thread has ended')
    t.equal(stuck(), 0)
    t.equal(workers[0]?.isStopped, true)
    t.equal(log.count(STUCK), 1, 'it is told once')
  },
)

t.test('a crash of a service whose thread is in native code: the service is restarted in another thread', async (t) => {
  shorten(t, soon)
  const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
  supervisor.add(thread)
  const blocked = errorOf(thread.callThread('block', null))
  await linked(1)
  thread.crash(new Error('enough'))
  t.match(await blocked, { code: 'THREAD_DIED', cause: { message: 'enough' } })
  await reached(thread, 'running')
  t.equal(await thread.callThread('echo', 1), 1)
  t.equal(stuck(), 1)
  cut()
  await log.line('the stuck thread has ended', 2)
  supervisor.discard(thread)
})

t.test('stop() does not wait for a thread in native code', async (t) => {
  shorten(t, soon)
  const blocked = errorOf(thread.callThread('block', null))
  await linked(1)
  await thread.stop()
  t.equal(thread.state, 'stopped')
  t.match(await blocked, { code: 'THREAD_DIED' })
  const worker = workers.at(-1)
  t.equal(worker?.isStuck, true)
  const turn = new Promise((resolve) => setImmediate(resolve))
  t.equal(await Promise.race([worker?.terminate(), turn]), false, 'it is not waited for a second time')
  cut()
  await within(worker?.stop() as Promise<void>, 'the end of the thread')
})

t.test('a service with eight stuck threads gets no new ones', async (t) => {
  shorten(t, soon)
  const workers: Deaf[] = []
  class Deaf extends WorkerThread {
    override start() {
      workers.push(this)
      super.start()
    }
    protected override kill() {}
    killAfterAll() {
      super.kill()
    }
  }
  const started = await Promise.all(Array.from({ length: 8 }, () => startedThread(t, 'exhausts', { Worker: Deaf })))
  for (const { thread } of started) thread.crash(new Error('enough'))
  await Promise.all(started.map(({ log }) => log.line(STUCK)))
  const [{ thread }] = started as [(typeof started)[0]]
  t.match(await errorOf(thread.start()), {
    code: 'START_FAILED',
    message: '8 threads of exhausts are stuck in native code already',
  })
  t.equal(workers.length, 8)
  for (const worker of workers) worker.killAfterAll()
  await Promise.all(workers.map((worker) => worker.stop()))
  t.equal(stuck(), 0)
  await thread.start()
  t.equal(await thread.callThread('echo', 1), 1)
})

t.test("isolation: 'process': native code is ended, and so is the process that it waits for", async (t) => {
  shorten(t, { killAfterMs: 100, stackTimeoutMs: 50 })
  const options = { isolation: 'process', shutdownTimeoutMs: 100 } as const
  const { thread, log } = await startedThread(t, 'exhausts', { options })
  const blocked = errorOf(thread.callThread('block', null))
  await linked(1)
  await thread.stop()
  t.match(await blocked, { code: 'THREAD_DIED' })
  await linked(0)
  t.equal(log.count(STUCK), 0)
  t.equal(ServiceWorker.alive.size, 0)
  await thread.start()
  t.equal(await thread.callThread('echo', 1), 1)
})
