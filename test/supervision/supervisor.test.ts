/** The strategies of mode, and the restart budget and the backoff that are added. Source: mode/supervisors.py */
import t from 'tap'
import { RestartBudget } from '../../src/supervision/restart-budget.ts'
import { Service } from '../../src/supervision/service.ts'
import {
  CrashingSupervisor,
  ForfeitOneForAllSupervisor,
  ForfeitOneForOneSupervisor,
  OneForAllSupervisor,
  OneForOneSupervisor,
  type Supervisor,
} from '../../src/supervision/supervisor.ts'
import { errorOf, queueThread, reached, RecordingLog, type Teardown, until, within } from '../helper.ts'

const policy = { maxRestarts: 5, periodMs: 60_000, backoffMs: 5, backoffMaxMs: 10 }

type Strategy = new (options: ConstructorParameters<typeof OneForOneSupervisor>[0]) => Supervisor

/** A supervisor of plain services, started. */
async function supervised<Members extends Service[]>(
  t: Teardown,
  Strategy: Strategy,
  members: Members,
  override: Partial<typeof policy> = {},
) {
  const log = new RecordingLog()
  const supervisor = new Strategy({ name: 'supervisor', policy: { ...policy, ...override }, log: log.log })
  supervisor.add(...members)
  t.teardown(() => supervisor.stop())
  await supervisor.start()
  return { supervisor, log }
}

const service = (name: string) => new Service({ name })
const restarted = (member: Service, times = 1) =>
  until(`${times} restarts of ${member.name}`, member as never, 'state', () => {
    return member.restartCount >= times && member.state === 'running'
  })
const givenUp = (supervisor: Supervisor, member: Service) =>
  until(`${member.name} to be given up`, member as never, 'state', () => supervisor.recoveryOf(member) === 'failed')

t.test(
  'a policy has the defaults of a service, key by key; a member that was given up and is started by hand has a fresh budget',
  async (t) => {
    const defaults = { maxRestarts: 5, periodMs: 60_000, backoffMs: 100, backoffMaxMs: 30_000 }
    t.match(new OneForOneSupervisor({ name: 'a' }).budget.policy, defaults)
    const supervisor = new OneForOneSupervisor({ name: 'b', policy: { maxRestarts: 0 } })
    t.match(supervisor.budget.policy, { ...defaults, maxRestarts: 0 })
    const member = new Service({ name: 'member' })
    supervisor.add(member)
    await supervisor.start()
    supervisor.budget.policy = { ...defaults, maxRestarts: 1, backoffMs: 1 }
    supervisor.budget.take()
    member.crash(new Error('broken'))
    t.equal(supervisor.recoveryOf(member), 'failed')
    await member.start()
    t.equal(supervisor.budget.remaining, 1)
    await supervisor.stop()
  },
)

t.test('a crash wakes the supervisor of the service, and reaches no parent', async (t) => {
  const [member, parent] = [service('member'), service('parent')]
  parent.addDependency(member)
  await supervised(t, OneForOneSupervisor, [member])
  await parent.start()
  member.crash(new Error('broken'))
  t.equal(parent.state, 'running')
  await restarted(member)
  t.equal(member.crashReason, undefined)
})

t.test('the crash of a child wakes the supervisor of its parent, which restarts both', async (t) => {
  const [root, parent] = [service('root'), service('parent')]
  root.addDependency(parent)
  const child = parent.addDependency(service('child'))
  await supervised(t, OneForOneSupervisor, [parent])
  await root.start()
  child.crash(new Error('broken'))
  t.equal(parent.state, 'crashed')
  t.equal(root.state, 'running')
  await restarted(parent)
  t.equal(child.state, 'running')
})

t.test('oneForOne restarts the member that crashed, and leaves the others alone', async (t) => {
  const [a, b] = [service('a'), service('b')]
  const { supervisor, log } = await supervised(t, OneForOneSupervisor, [a, b])
  a.crash(new Error('broken'))
  t.equal(supervisor.recoveryOf(a), 'backoff')
  await restarted(a)
  t.equal(supervisor.recoveryOf(a), undefined)
  t.equal(b.restartCount, 0)
  t.equal(supervisor.budget.remaining, policy.maxRestarts - 1)
  t.match(await log.line('restarting'), { level: 'warn', fields: { service: 'a' } })
})

t.test('oneForOne restarts a real thread, and calls go on', async (t) => {
  const { thread } = queueThread(t, 'dies')
  await supervised(t, OneForOneSupervisor, [thread])
  for (const times of [1, 2]) {
    t.match(await errorOf(thread.callThread('exception', null)), { code: 'THREAD_DIED' })
    t.equal(await within(thread.callThread('echo', times), 'the call after the crash'), times)
    t.equal(thread.restartCount, times)
  }
})

t.test(
  'oneForAll stops all members when one crashes, then starts them one by one, for one restart of the budget',
  async (t) => {
    const members = [service('a'), service('b'), service('c')] as const
    const { supervisor } = await supervised(t, OneForAllSupervisor, [...members])
    const order: string[] = []
    for (const member of members) member.on('state', (state) => order.push(`${member.name} ${state}`))
    members[1].crash(new Error('broken'))
    order.length = 0
    await Promise.all(members.map((member) => restarted(member)))
    const stops = order.flatMap((entry, index) => (entry.endsWith('stopped') ? [index] : []))
    const starts = order.flatMap((entry, index) => (entry.endsWith('starting') ? [index] : []))
    t.equal(stops.length, 3)
    t.ok(Math.max(...stops) < Math.min(...starts), 'all have stopped before the first starts')
    t.strictSame(
      order.filter((entry) => entry.endsWith('running')),
      ['a running', 'b running', 'c running'],
    )
    t.equal(supervisor.budget.remaining, policy.maxRestarts - 1)
  },
)

t.test('oneForAll does not start a member that was stopped', async (t) => {
  const [a, b] = [service('a'), service('b')]
  await supervised(t, OneForAllSupervisor, [a, b])
  await b.stop()
  a.crash(new Error('broken'))
  await restarted(a)
  t.equal(b.state, 'stopped')
})

t.test('forfeitOneForOne gives up the member that crashed, and leaves the others alone', async (t) => {
  const [a, b] = [service('a'), service('b')]
  const { supervisor, log } = await supervised(t, ForfeitOneForOneSupervisor, [a, b])
  a.crash(new Error('broken'))
  t.equal(supervisor.recoveryOf(a), 'failed')
  t.equal(a.state, 'crashed')
  t.equal(a.crashReason?.message, 'broken', 'and why is kept')
  t.equal(b.state, 'running')
  t.match(await log.line('given up: the strategy is forfeitOneForOne'), { level: 'error', fields: { service: 'a' } })
})

t.test('forfeitOneForAll gives up all members when one crashes', async (t) => {
  const [a, b] = [service('a'), service('b')]
  const { supervisor } = await supervised(t, ForfeitOneForAllSupervisor, [a, b])
  a.crash(new Error('broken'))
  t.equal(supervisor.recoveryOf(a), 'failed')
  await reached(b, 'stopped')
})

t.test('crashing lets the crash of a member reach the root of the tree', async (t) => {
  const root = service('root')
  const [a, b] = [service('a'), service('b')]
  const { supervisor } = await supervised(t, CrashingSupervisor, [a, b])
  root.addDependency(supervisor)
  await root.start()
  const reason = new Error('broken')
  a.crash(reason)
  for (const crashed of [a, b, supervisor, root]) t.equal(crashed.crashReason, reason, crashed.name)
})

t.test('after maxRestarts within the period a member is given up; a start by hand begins anew', async (t) => {
  const a = service('a')
  const { supervisor, log } = await supervised(t, OneForOneSupervisor, [a], { maxRestarts: 2 })
  for (const times of [1, 2]) {
    a.crash(new Error('broken'))
    await restarted(a, times)
  }
  a.crash(new Error('broken again'))
  t.equal(supervisor.recoveryOf(a), 'failed')
  t.match(await log.line('given up: more than 2 restarts within 60000 ms'), { level: 'error' })
  supervisor.budget.reset()
  supervisor.forget(a)
  await a.start()
  a.crash(new Error('once more'))
  await restarted(a, 3)
})

t.test('oneForAll gives up all members when the budget is spent', async (t) => {
  const [a, b] = [service('a'), service('b')]
  const { supervisor } = await supervised(t, OneForAllSupervisor, [a, b], { maxRestarts: 0 })
  a.crash(new Error('broken'))
  t.equal(supervisor.recoveryOf(a), 'failed')
  await reached(b, 'stopped')
})

t.test('a restart that fails is a crash again: it is retried until it succeeds', async (t) => {
  process.env.TEST_HEALTHY = 'true'
  t.teardown(() => delete process.env.TEST_HEALTHY)
  const { thread } = queueThread(t, 'fails-to-start')
  const { supervisor } = await supervised(t, OneForOneSupervisor, [thread])
  delete process.env.TEST_HEALTHY
  const waiting = thread.callThread('echo', 'patient')
  await waiting
  const call = (thread.crash(new Error('broken')), thread.callThread('echo', 'patient'))
  await until('two restarts', thread as never, 'state', () => thread.restartCount === 2)
  t.match(thread.crashReason, { code: 'EADDRINUSE' })
  process.env.TEST_HEALTHY = 'true'
  t.equal(await within(call, 'the call'), 'patient')
  t.equal(supervisor.recoveryOf(thread), undefined)
  t.equal(thread.state, 'running')
})

t.test('a member that never starts is given up when the budget is spent, and calls that wait fail', async (t) => {
  const { thread } = queueThread(t, 'fails-to-start')
  const log = new RecordingLog()
  const supervisor = new OneForOneSupervisor({
    name: 'supervisor',
    policy: { ...policy, maxRestarts: 2 },
    log: log.log,
  })
  supervisor.add(thread)
  t.teardown(() => supervisor.stop())
  const call = errorOf(thread.callThread('echo', 1))
  t.match(await errorOf(thread.start()), { code: 'EADDRINUSE' })
  await givenUp(supervisor, thread)
  t.match(await call, { code: 'THREAD_DIED', message: /port in use/ })
  t.equal(thread.restartCount, 2)
})

t.test('backoff delays double up to backoffMaxMs, with jitter of up to a half', (t) => {
  const budget = new RestartBudget({ maxRestarts: 6, periodMs: 60_000, backoffMs: 100, backoffMaxMs: 1_000 })
  for (const whole of [100, 200, 400, 800, 1_000, 1_000]) {
    const delay = budget.take() as number
    t.ok(delay >= whole / 2 && delay <= whole, `${delay} of ${whole}`)
  }
  t.equal(budget.take(), undefined, 'then it is spent')
  t.equal(budget.remaining, 0)
  budget.reset()
  t.ok((budget.take() as number) <= 100, 'until somebody starts by hand')
  t.end()
})

t.test('after a healthy period the budget is full again, and the backoff is short again', async (t) => {
  const budget = new RestartBudget({ maxRestarts: 2, periodMs: 30, backoffMs: 100, backoffMaxMs: 1_000 })
  budget.take()
  budget.take()
  await new Promise((resolve) => setTimeout(resolve, 40))
  t.equal(budget.remaining, 0, 'the wait for a restart is no healthy time, nor is a start that fails')
  budget.started()
  const spentAt = performance.now()
  while (budget.remaining < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  t.ok(performance.now() - spentAt >= 25)
  t.ok((budget.take() as number) <= 100)
})

t.test('stop() of a supervisor stops its members in reverse order, also those that wait for a restart', async (t) => {
  const members = [service('a'), service('b'), service('c')] as const
  const { supervisor } = await supervised(t, OneForOneSupervisor, [...members], {
    backoffMs: 100_000,
    backoffMaxMs: 100_000,
  })
  const order: string[] = []
  for (const member of members) member.on('state', (state) => order.push(`${member.name} ${state}`))
  members[1].crash(new Error('broken'))
  order.length = 0
  await supervisor.stop()
  t.strictSame(
    order.filter((entry) => entry.endsWith('stopped')),
    ['c stopped', 'b stopped', 'a stopped'],
  )
  t.equal(supervisor.recoveryOf(members[1]), undefined)
})

t.test('an error while a member stops does not keep the others from being stopped', async (t) => {
  class Failing extends Service {
    override async onStop() {
      throw new Error('cannot stop')
    }
  }
  const [a, failing] = [service('a'), new Failing({ name: 'failing' })]
  const { supervisor, log } = await supervised(t, OneForOneSupervisor, [a, failing])
  await supervisor.stop()
  t.equal(a.state, 'stopped')
  t.match(await log.line('error while stopping'), { level: 'error', fields: { service: 'failing' } })
})

t.test('a member stopped by hand during its backoff stays stopped', async (t) => {
  const [a, b] = [service('a'), service('b')]
  const { supervisor } = await supervised(t, OneForOneSupervisor, [a, b])
  a.crash(new Error('broken'))
  await a.stop()
  // It crashes later, so it is restarted later: by then a restart of the other would have happened too.
  b.crash(new Error('broken'))
  await restarted(b)
  t.equal(a.state, 'stopped')
  t.equal(supervisor.recoveryOf(a), undefined)
})

t.test('a member started by hand during its backoff is not started a second time', async (t) => {
  const [a, b] = [service('a'), service('b')]
  await supervised(t, OneForOneSupervisor, [a, b])
  a.crash(new Error('broken'))
  await a.start()
  b.crash(new Error('broken'))
  await restarted(b)
  t.equal(a.restartCount, 0)
  t.equal(a.state, 'running')
})

t.test(
  'oneForAll: a member stopped by hand during the backoff stays stopped, and the others are restarted',
  async (t) => {
    const [a, b] = [service('a'), service('b')]
    const { supervisor } = await supervised(t, OneForAllSupervisor, [a, b])
    a.crash(new Error('broken'))
    supervisor.forget(b)
    await b.stop()
    await restarted(a)
    t.equal(b.state, 'stopped')
  },
)

t.test('oneForAll: a member discarded during the backoff is not restarted, and the others are', async (t) => {
  const [a, b] = [service('a'), service('b')]
  const { supervisor } = await supervised(t, OneForAllSupervisor, [a, b])
  a.crash(new Error('broken'))
  supervisor.discard(b)
  await restarted(a)
  t.equal(b.restartCount, 0)
  t.equal(b.state, 'running')
})

t.test('stop() of a supervisor in the middle of a restart leaves all stopped', async (t) => {
  const members = [service('a'), service('b'), service('c')] as const
  const { supervisor } = await supervised(t, OneForAllSupervisor, [...members])
  const stopped = new Promise<void>((resolve, reject) => {
    members[0].on('state', (state) => {
      if (state === 'running') supervisor.stop().then(resolve, reject)
    })
  })
  members[0].crash(new Error('broken'))
  await stopped
  // By then the rest of the restart, if there were one, would have happened.
  for (let turns = 0; turns < 10; turns += 1) await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(
    members.map((member) => member.state),
    ['stopped', 'stopped', 'stopped'],
  )
})

t.test('a member that fails to start rejects the start of its supervisor; stop() then ends all members', async (t) => {
  delete process.env.TEST_HEALTHY
  const { thread } = queueThread(t, 'fails-to-start')
  const b = service('b')
  const log = new RecordingLog()
  const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy, log: log.log })
  supervisor.add(thread, b)
  t.teardown(() => supervisor.stop())
  t.match(await errorOf(supervisor.start()), { code: 'EADDRINUSE' }, 'as in mode')
  await supervisor.stop()
  t.equal(thread.state, 'stopped')
  t.equal(b.state, 'stopped')
})
