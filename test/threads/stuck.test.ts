/** P4: termination does not interrupt native code. A thread in it is told to be stuck, and its service goes on without. */
import t from 'tap'
import { ServiceWorker } from '../../src/threads/service-worker.ts'
import { OneForOneSupervisor } from '../../src/supervision/supervisor.ts'
import { WorkerThread } from '../../src/threads/worker-thread.ts'
import { errorOf, queueThread, reached, startedThread, watched, within } from '../helper.ts'
import { serveLinks } from '../links.ts'

/** One link says that a thread is in native code. */
const { linked, cut } = serveLinks(t)
const STUCK = 'stuck: the thread is in native code and does not end'
const stuck = () => ServiceWorker.stuckOf('exhausts')
const policy = { maxRestarts: 100, periodMs: 60_000, backoffMs: 10, backoffMaxMs: 20 }

t.test(
  'a method in native code past its deadline: its service goes on, and its thread counts until it ends',
  async (t) => {
    const { workers, Worker } = watched()
    const { thread, log } = await startedThread(t, 'exhausts', { options: { cancelGraceMs: 50 }, Worker })
    t.match(await errorOf(thread.callThread('overstay', null)), { code: 'DEADLINE_EXCEEDED' })
    t.equal(await within(thread.callThread('echo', 1), 'a call in the new thread'), 1)
    t.match(await log.line(STUCK), { level: 'error', fields: { service: 'exhausts' } })
    t.equal(stuck(), 1)
    cut()
    await log.line('the stuck thread has ended')
    t.equal(stuck(), 0)
    t.equal(workers[0]?.isStopped, true)
    t.equal(log.count(STUCK), 1, 'it is told once')
  },
)

t.test('a crash of a service whose thread is in native code: it is restarted in another', async (t) => {
  const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
  const { thread, log } = queueThread(t, 'exhausts')
  supervisor.add(thread)
  t.teardown(() => supervisor.stop())
  await supervisor.start()
  const blocked = errorOf(thread.callThread('block', null))
  await linked(1)
  thread.crash(new Error('enough'))
  t.match(await blocked, { code: 'THREAD_DIED', cause: { message: 'enough' } })
  await reached(thread, 'running')
  t.equal(await thread.callThread('echo', 1), 1)
  t.equal(stuck(), 1)
  cut()
  await log.line('the stuck thread has ended')
})

t.test('stop() does not wait for a thread in native code', async (t) => {
  const { workers, Worker } = watched()
  const { thread } = await startedThread(t, 'exhausts', { options: { shutdownTimeoutMs: 100 }, Worker })
  const blocked = errorOf(thread.callThread('block', null))
  await linked(1)
  await thread.stop()
  t.equal(thread.state, 'stopped')
  t.match(await blocked, { code: 'THREAD_DIED' })
  t.equal(workers[0]?.isStuck, true)
  const turn = new Promise((resolve) => setImmediate(resolve))
  t.equal(await Promise.race([workers[0]?.terminate(), turn]), false, 'it is not waited for a second time')
  cut()
  await within(workers[0]?.stop() as Promise<void>, 'the end of the thread')
})

t.test('a service of which too many threads are stuck gets no other', async (t) => {
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

t.test("isolation: 'process': native code is ended, and so is what it waits for", async (t) => {
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
