/** The stack of a thread is read from outside, also while it hangs, and before it is terminated for that. */
import { BroadcastChannel } from 'node:worker_threads'
import t from 'tap'
import { serveGates } from '../gates.ts'
import { OneForOneSupervisor } from '../../src/supervision/supervisor.ts'
import { errorOf, queueThread, serviceThread, shorten, startedThread, until, within } from '../helper.ts'
import { serveLinks } from '../links.ts'

// The product waits 250 ms for the stack of a thread before it ends the thread: too short on a busy machine.
shorten(t, { stackTimeoutMs: 15_000 })
serveGates(t)
const { linked, cut } = serveLinks(t)

const policy = { maxRestarts: 50, periodMs: 60_000, backoffMs: 5, backoffMaxMs: 10 }

/** How often a stack is read while threads start and end: a race there ended the process. */
const ROUNDS = process.env.THREADPLANE_SOAK === undefined ? 3 : 30

/** Method of the fixture → the function in which it hangs. */
const innermost = {
  loop: 'spin',
  recursion: 'spin',
  atomics: 'waits',
  pattern: 'matches',
  sabotage: 'spin',
}

for (const [method, name] of Object.entries(innermost)) {
  t.test(`the stack of a thread shows where it hangs: ${method}`, async (t) => {
    const { thread, log } = await startedThread(t, 'hangs', { options: { shutdownTimeoutMs: 1 } })
    void errorOf(thread.callThread(method, null)).catch(() => {})
    await log.line('holds')
    // The method hangs one turn of the event loop later.
    let [stack] = await thread.stacks()
    while (stack?.frames[0]?.function !== name) [stack] = await thread.stacks()
    t.match(stack, { id: thread.threadId, state: 'running' })
    t.match(stack.frames[0], { url: /^file:.*\/fixtures\/hangs\.js$/, line: Number, column: Number })
    t.ok(stack.frames.length <= 200)
  })
}

t.test('a thread in native code is reported as blocked-native, without frames', async (t) => {
  const { thread, log } = await startedThread(t, 'hangs', { options: { shutdownTimeoutMs: 1 } })
  void errorOf(thread.callThread('native', null)).catch(() => {})
  await log.line('holds')
  let [stack] = await thread.stacks()
  while (stack?.state !== 'blocked-native') [stack] = await thread.stacks()
  t.match(stack, { id: thread.threadId, frames: [] })
  await linked(1)
  cut()
})

t.test('a thread whose event loop waits is idle, and reading its stack does not disturb it', async (t) => {
  const { thread } = await startedThread(t, 'hangs')
  let [stack] = await thread.stacks()
  while (stack?.state !== 'idle') [stack] = await thread.stacks()
  t.strictSame(stack.frames, [])
  const reads = Array.from({ length: 20 }, () => thread.stacks())
  const calls = Array.from({ length: 200 }, (_, n) => thread.callThread('echo', n))
  t.strictSame(await Promise.all(calls), [...calls.keys()])
  t.equal((await Promise.all(reads)).flat().length, 20, 'concurrent requests share one read')
  t.equal(thread.responsive, true)
})

t.test('a service that is not started has no stacks', async (t) => {
  const { thread } = queueThread(t, 'hangs')
  t.strictSame(await thread.stacks(), [])
  await thread.start()
  await thread.stop()
  t.strictSame(await thread.stacks(), [])
})

t.test('a stack is read while other threads start and end', async (t) => {
  const { thread, log } = await startedThread(t, 'hangs', { options: { shutdownTimeoutMs: 1 } })
  void errorOf(thread.callThread('loop', null)).catch(() => {})
  await log.line('holds')
  for (let round = 0; round < ROUNDS; round += 1) {
    const { thread: other } = queueThread(t, 'hangs')
    const started = other.start()
    const during = thread.stacks()
    await started
    const [stacks] = await Promise.all([thread.stacks(), other.stacks(), other.stop(), during])
    t.match(stacks, [{ state: 'running', frames: [{ function: 'spin' }] }])
  }
})

const at = (name: string) => new RegExp(`\\n    at ${name} \\(file:.*\\.js:\\d+:\\d+\\)`)

/** Repeats an attempt until its error has the stack: a read that takes too long on a busy machine has none. */
async function errorWithStack(stack: RegExp, attempt: () => Promise<unknown>): Promise<Error> {
  for (;;) {
    const error = (await attempt()) as Error
    if (stack.test(error.stack ?? '')) return error
  }
}

t.test('a thread that does not stop is terminated, and the log has its stack', async (t) => {
  await errorWithStack(at('spin'), async () => {
    const { thread, log } = await startedThread(t, 'hangs', { options: { shutdownTimeoutMs: 200 } })
    void errorOf(thread.callThread('loop', null)).catch(() => {})
    await log.line('holds')
    await thread.stacks()
    await thread.stop()
    return (await log.line('terminated: it did not stop within 100 ms')).fields.err
  })
  t.pass()
})

t.test('a method that goes on after its deadline: the log has the stack of its thread', async (t) => {
  const { thread, log } = await startedThread(t, 'gates', { options: { cancelGraceMs: 50 } })
  let times = 0
  const error = await errorWithStack(/\n {4}at .*gates\.js:\d+:\d+/, async () => {
    times += 1
    await thread.stacks()
    // The time in the queue does not count: without a begin, no thread is retired.
    const call = thread.callThread('loop', null, { timeoutMs: 60_000 })
    t.match(await errorOf(call), { code: 'DEADLINE_EXCEEDED' })
    return (await log.line('the thread is retired: a method goes on after its deadline', times)).fields.err
  })
  t.equal(error.message, 'gates.loop goes on after its deadline')
})

t.test('a start that takes too long: the error has the stack of the thread', async (t) => {
  const { thread: other } = await startedThread(t, 'gates')
  const { thread } = serviceThread(t, 'spins-at-start', { options: { startTimeoutMs: 1_000 } })
  const message = 'the start of spins-at-start took longer than the 1000 ms of startTimeoutMs'
  const error = await errorWithStack(at('spinsAtStart'), async () => {
    await other.stacks()
    const failed = await errorOf(thread.start())
    t.match(failed, { code: 'START_FAILED', message })
    return failed
  })
  t.equal(thread.crashReason, error)
})

t.test('hangTimeoutMs: a thread that hangs while no method runs crashes, and is restarted', async (t) => {
  const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
  const { thread, log } = queueThread(t, 'spins-beside', { options: { hangTimeoutMs: 400 } })
  supervisor.add(thread)
  t.teardown(() => supervisor.stop())
  await supervisor.start()
  const spin = new BroadcastChannel('spin')
  t.teardown(() => spin.close())
  let times = 0
  const error = await errorWithStack(at('spinsBeside'), async () => {
    times += 1
    await thread.stacks()
    spin.postMessage(true)
    const { fields } = await log.line('spins-beside crashed', times)
    await until(
      'a restart',
      thread as never,
      'state',
      () => thread.restartCount === times && thread.state === 'running',
    )
    return fields.err
  })
  const message = 'the thread of spins-beside hangs: its event loop has not turned for the 400 ms of hangTimeoutMs'
  t.equal(error.message, message)
  t.equal(await within(thread.callThread('echo', 'again'), 'a call'), 'again')
  t.equal(supervisor.budget.remaining, policy.maxRestarts - times)
})

t.test(
  'hangTimeoutMs: a thread with short turns does not hang, and without the option no thread crashes',
  async (t) => {
    const { thread, log } = await startedThread(t, 'hangs', { options: { hangTimeoutMs: 1_000 } })
    // Longer than hangTimeoutMs.
    for (let round = 0; round < 13; round += 1) {
      await thread.callThread('echo', round)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    t.equal(thread.state, 'running')
    t.equal(log.count('hangs crashed'), 0)
    const { thread: patient } = queueThread(t, 'hangs')
    t.equal(patient.options.hangTimeoutMs, Number.POSITIVE_INFINITY)
  },
)
