/** A service in a process of its own: when that process ends, what it inherits, and that it leaves nothing behind. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { describeModule } from '../../src/threads/describe-module.ts'
import { ServiceWorker } from '../../src/threads/service-worker.ts'
import { WorkerProcess } from '../../src/threads/worker-process.ts'
import { QueueServiceThread } from '../../src/threads/queue-service-thread.ts'
import { errorOf, fixture, queueThread, reached, RecordingLog, shorten, startedThread, within } from '../helper.ts'
import { serveLinks } from '../links.ts'

const { linked } = serveLinks(t)
/** The service of most tests. It is stopped between them, unless a comment says that it is still started. */
const { thread, log } = queueThread(t, 'linked', { options: { isolation: 'process' } })

for (const busy of ['idle', 'looping']) {
  t.test(`kill -9 of the server ends a service's process (${busy}), and what that has started`, async (t) => {
    const flags = ['--inspect=127.0.0.1:0', '--max-old-space-size=1000']
    const script = fileURLToPath(fixture('linked-parent'))
    const parent = spawn(process.execPath, [...flags, script, busy], { stdio: ['ignore', 'pipe', 'ignore'] })
    t.teardown(() => parent.kill('SIGKILL'))
    await within(once(parent.stdout, 'data'), 'the service')
    await linked(2)
    parent.kill('SIGKILL')
    await linked(0)
  })
}

t.test(
  "a service's process ignores the signals that a terminal or an init system sends to all processes",
  async (t) => {
    await thread.start()
    const pid = (await thread.callThread('pid', null)) as number
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal)
    t.equal(await thread.callThread('pid', null), pid)
  },
)

t.test(
  'a result that crosses threads but not processes is RESULT_NOT_SERIALIZABLE, and fails no other call',
  async (t) => {
    // Still started.
    const [before, refused, after] = await Promise.allSettled([
      thread.callThread('echo', 'before'),
      thread.callThread('sharedMemory', null),
      thread.callThread('echo', 'after'),
    ])
    t.match(before, { value: 'before' })
    t.match(refused, { reason: { code: 'RESULT_NOT_SERIALIZABLE', facts: { started: true } } })
    t.match(after, { value: 'after' })
  },
)

t.test('the stack of a process that was stopped with SIGSTOP is reported within a bound', async (t) => {
  // Still started.
  shorten(t, { processStackTimeoutMs: 50 })
  const pid = (await thread.callThread('pid', null)) as number
  process.kill(pid, 'SIGSTOP')
  t.teardown(() => process.kill(pid, 'SIGCONT'))
  const reads = Array.from({ length: 3 }, () => thread.stacks())
  t.match(await within(Promise.all(reads), 'the stacks'), new Array(3).fill([{ state: 'blocked-native', frames: [] }]))
})

t.test('output of native code is logged, bounded, and the service goes on', async (t) => {
  // Still started.
  await thread.callThread('writeNatively', 1)
  t.match(await log.line('native 0'), { level: 'warn', fields: { service: 'linked' } })
  await thread.callThread('writeNatively', 100_000)
  t.equal(await thread.callThread('echo', 1), 1)
  await thread.stop()
  const lines = log.messages.filter((message) => message.startsWith('native')).length
  t.ok(lines >= 100 && lines < 10_000, `${lines} lines`)
})

t.test('processes that a service has started end with its process, stopped or killed', async (t) => {
  await thread.start()
  await thread.callThread('start', null)
  await linked(2)
  await thread.stop()
  await linked(0)
  await thread.start()
  await thread.callThread('start', null)
  await linked(2)
  process.kill((await thread.callThread('pid', null)) as number, 'SIGKILL')
  await reached(thread, 'crashed')
  t.match(thread.crashReason, { message: 'the process of linked was ended by SIGKILL' })
  await linked(0)
})

t.test('a crash ends the process, also while its thread loops', async (t) => {
  await thread.start()
  const looping = errorOf(thread.callThread('loop', null))
  await log.line('looping')
  thread.crash(new Error('enough'))
  t.match(await looping, { code: 'THREAD_DIED', cause: { message: 'enough' } })
  await linked(0)
})

t.test('a process that cannot be launched fails the start, and the next one may succeed', async (t) => {
  const { execPath } = process
  process.execPath = '/nonexistent/node'
  const error = await errorOf(thread.start()).finally(() => {
    process.execPath = execPath
  })
  t.match(error, { code: 'ENOENT' })
  await thread.start()
  t.equal(await thread.callThread('echo', 1), 1)
  await thread.stop()
})

t.test('a start and stop leaves no file, no handle and no process behind', async (t) => {
  await linked(0)
  const open = () => readdirSync('/proc/self/fd').length
  const before = open()
  for (let round = 0; round < 2; round += 1) {
    await thread.start()
    await thread.stop()
  }
  await linked(0)
  t.equal(open(), before)
  t.strictSame(
    [...ServiceWorker.alive].filter((worker) => worker instanceof WorkerProcess),
    [],
  )
})

t.test("a module with isolation: 'process' runs in a process of its own; options override that", async (t) => {
  const thread = new QueueServiceThread({ name: 'linked', module: fixture('linked') })
  t.teardown(() => thread.stop())
  await thread.start()
  t.not(await thread.callThread('pid', null), process.pid)
  t.equal(thread.options.isolation, 'process')
  const overridden = await startedThread(t, 'linked', { options: { isolation: 'thread' } })
  t.equal(await overridden.thread.callThread('pid', null), process.pid)
})

t.test('a module is described in a process, which is gone afterwards', async (t) => {
  const thread = await describeModule({
    service: 'linked',
    module: fixture('linked').href,
    isolation: 'process',
    limits: {},
    log: new RecordingLog().log,
    startTimeoutMs: 30_000,
    signal: new AbortController().signal,
  })
  t.ok('echo' in (await thread.described).methods)
  await thread.terminate()
  await linked(0)
  t.equal(ServiceWorker.alive.size, 0)
})
