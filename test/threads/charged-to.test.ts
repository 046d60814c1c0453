/**
 * What a crash is charged to: the single job that was running when it happened, or the restart budget of the service.
 */
import t from 'tap'
import { MethodQueue, type ThreadPort } from '../../src/queue/method-queue.ts'
import { QueuedMethod } from '../../src/queue/queued-method.ts'
import { RestartBudget } from '../../src/supervision/restart-budget.ts'
import { Service } from '../../src/supervision/service.ts'
import { OneForAllSupervisor, OneForOneSupervisor } from '../../src/supervision/supervisor.ts'
import { errorOf, queueThread, type Teardown, until } from '../helper.ts'

const policy = { maxRestarts: 2, periodMs: 60_000, backoffMs: 5, backoffMaxMs: 10 }

async function supervised(t: Teardown, fixture: string, options = {}) {
  const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
  const { thread, log } = queueThread(t, fixture, { options })
  supervisor.add(thread)
  t.teardown(() => supervisor.stop())
  await supervisor.start()
  const restarted = (times: number) =>
    until('a restart', thread as never, 'state', () => thread.restartCount === times && thread.state === 'running')
  return { supervisor, thread, log, restarted }
}

t.test('a crash while one single method runs is charged to its job, and not to the budget', async (t) => {
  const { supervisor, thread, restarted } = await supervised(t, 'dies')
  for (let times = 1; times <= policy.maxRestarts + 2; times += 1) {
    t.match(await errorOf(thread.callThread(times % 2 ? 'exit' : 'rejection', null)), { code: 'THREAD_DIED' })
    await restarted(times)
    t.equal(supervisor.budget.remaining, policy.maxRestarts)
  }
})

t.test('a crash while several methods run is charged to the budget, as its cause is not known', async (t) => {
  const { supervisor, thread, log, restarted } = await supervised(t, 'dies')
  const hanging = errorOf(thread.callThread('hang', null))
  await log.line('hanging')
  await errorOf(thread.callThread('exit', null))
  await hanging
  await restarted(1)
  t.equal(supervisor.budget.remaining, policy.maxRestarts - 1)
})

t.test('a crash while no method runs, or on purpose, is charged to the budget', async (t) => {
  const { supervisor, thread, log, restarted } = await supervised(t, 'dies')
  thread.crashThread('exit', 'on purpose')
  await restarted(1)
  t.equal(supervisor.budget.remaining, policy.maxRestarts - 1)
  const hanging = errorOf(thread.callThread('hang', null))
  await log.line('hanging')
  thread.crashThread('exit', 'on purpose')
  t.match(await hanging, { code: 'THREAD_DIED' })
  await restarted(2)
  t.equal(supervisor.budget.remaining, policy.maxRestarts - 2)
})

t.test('oneForAll: a restart of all members costs nothing if all crashes are charged to jobs', async (t) => {
  const [a, b] = [new Service({ name: 'a' }), new Service({ name: 'b' })]
  const supervisor = new OneForAllSupervisor({ name: 'supervisor', policy })
  supervisor.add(a, b)
  t.teardown(() => supervisor.stop())
  await supervisor.start()
  const restarted = (times: number) =>
    until('a restart', b as never, 'state', () => b.restartCount === times && b.state === 'running')
  a.crash(new Error('poison'), 'job')
  await restarted(1)
  t.equal(supervisor.budget.remaining, policy.maxRestarts)
  a.crash(new Error('of itself'))
  await restarted(2)
  t.equal(supervisor.budget.remaining, policy.maxRestarts - 1)
})

t.test('a restart that costs nothing is delayed too, by a second at most', (t) => {
  const budget = new RestartBudget({ maxRestarts: 0, periodMs: 60_000, backoffMs: 100, backoffMaxMs: 30_000 })
  for (const whole of [100, 200, 400, 800, 1_000, 1_000]) {
    const delay = budget.grant()
    t.ok(delay >= whole / 2 && delay <= whole, `${delay} of ${whole}`)
  }
  t.equal(budget.remaining, 0)
  budget.reset()
  t.ok(budget.grant() <= 100)
  t.end()
})

class FakeThread implements ThreadPort {
  readonly handed: QueuedMethod[] = []
  readonly suspended = false
  readonly stealable = 0
  room = 3

  giveBack(): void {}

  get load(): number {
    return this.handed.length
  }

  get runsExclusive(): boolean {
    return this.handed.some(({ exclusive }) => exclusive)
  }

  hand(method: QueuedMethod): void {
    this.handed.push(method)
    this.room = method.exclusive ? 0 : this.room - 1
  }

  /** All methods end. */
  end(queue: MethodQueue): void {
    this.handed.length = 0
    this.room = 3
    queue.pump()
  }

  get ids(): string {
    return this.handed.map(({ job }) => job.id).join(' ')
  }
}

function queued(id: string, exclusive = false): QueuedMethod {
  const job = { id, attempt: 1 }
  const common = { service: 's', method: 'm', payload: null, format: 'clone', bytes: 0, priority: 5 } as const
  return new QueuedMethod({ ...common, kind: exclusive ? 'cast' : 'call', job, timeoutMs: 1_000, exclusive })
}

t.test('an exclusive cast waits until its thread has ended all other methods; other threads go on meanwhile', (t) => {
  const queue = new MethodQueue({ service: 's', capacity: 100, maxBytes: 1_000 })
  const [first, second] = [new FakeThread(), new FakeThread()]
  queue.attach(first)
  queue.attach(second)
  for (const id of ['1', '2', '3']) queue.enqueue(queued(id))
  t.strictSame([first.ids, second.ids], ['1 3', '2'])
  const suspect = queued('suspect', true)
  queue.enqueue(suspect)
  t.equal(suspect.isNext, true)
  for (const id of ['4', '5']) queue.enqueue(queued(id))
  t.strictSame([first.ids, second.ids], ['1 3 4', '2'], 'the thread with least to do is kept for it')
  second.end(queue)
  t.strictSame([first.ids, second.ids], ['1 3 4', 'suspect'])
  t.equal(queue.size, 1, 'nothing joins it')
  second.end(queue)
  t.strictSame([first.ids, second.ids], ['1 3 4', '5'])
  t.end()
})

t.test('between two exclusive casts, the methods that wait have their turn', (t) => {
  const queue = new MethodQueue({ service: 's', capacity: 100, maxBytes: 1_000 })
  const thread = new FakeThread()
  queue.attach(thread)
  for (const id of ['a', 'b']) queue.enqueue(queued(id, true))
  for (const id of ['1', '2', '3', '4']) queue.enqueue(queued(id))
  t.equal(thread.ids, 'a')
  thread.end(queue)
  t.equal(thread.ids, '1 2 3')
  thread.end(queue)
  t.equal(thread.ids, 'b')
  thread.end(queue)
  t.equal(thread.ids, '4')
  t.end()
})

t.test('a thread is reserved no longer once the exclusive cast is cancelled, or once the thread is gone', (t) => {
  const queue = new MethodQueue({ service: 's', capacity: 100, maxBytes: 1_000 })
  const thread = new FakeThread()
  queue.attach(thread)
  queue.enqueue(queued('1'))
  const suspect = queued('suspect', true)
  suspect.promise.catch(() => {})
  queue.enqueue(suspect)
  queue.enqueue(queued('2'))
  t.equal(thread.ids, '1')
  suspect.cancel()
  t.equal(thread.ids, '1 2')
  const another = queued('another', true)
  queue.enqueue(another)
  queue.detach(thread)
  t.equal(another.isNext, false)
  const successor = new FakeThread()
  queue.attach(successor)
  t.equal(successor.ids, 'another')
  t.end()
})
