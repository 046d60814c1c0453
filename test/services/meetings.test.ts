/** Operations on a service that meet at one moment, and threads that die in the middle of one. Threads are real. */
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Deferred } from '../../src/async/deferred.ts'
import { reconfigure } from '../../src/services/replacing.ts'
import { RestartGroups } from '../../src/supervision/restart-groups.ts'
import { RecordingLog, reached, within } from '../helper.ts'
import { openGate } from '../http-helper.ts'
import { Rig, registration, started } from './service-rig.ts'

t.test('a restart while a registration is written for longer than a stop waits brings the new version', async (t) => {
  const rig = await started(t, 'echo', { shutdownTimeoutMs: 50 })
  const { service } = rig
  const written = new Deferred<void>()
  const { replaced } = await rig.replaceUntil(written.promise, registration('gate'))
  await service.restart()
  t.equal(service.state, 'running')
  t.equal(service.module, 'echo.js', 'the new version is not registered yet')
  written.resolve()
  t.equal(await within(replaced, 'the replacement'), true)
  t.match(service, { state: 'running', module: 'gate.js' })
  t.match(service.threadSet.current, { length: 1, 0: { state: 'running' } })
})

t.test(
  'a stop while a registration is written, and the new thread crashes: the old thread runs what is queued',
  async (t) => {
    const busy = { numWorkers: 1, prefetch: 0 }
    const rig = await started(t, 'gate', busy)
    const { service } = rig
    const token = `${service.name} holds`
    const holds = rig.call('hold', { token })
    await rig.log.line('begun')
    const queued = rig.call('nap', null)
    const written = new Deferred<void>()
    const { replaced } = await rig.replaceUntil(written.promise, registration('gate', busy))
    const joining = service.threads.find((thread) => !service.threadSet.current.includes(thread))
    joining?.crash(new Error('on purpose'))
    const stopped = service.stop()
    written.resolve()
    // The stop goes on once the new thread is gone; only then the old thread may come to what is queued.
    if (joining !== undefined) await reached(joining, 'stopped')
    await setImmediate()
    openGate(token)
    t.equal(await within(holds, 'the call that had begun'), JSON.stringify(token))
    t.equal(await within(queued, 'the call that was queued'), '"rested"')
    t.equal(await within(replaced, 'the replacement'), false)
    t.equal(await stopped, true)
    t.same(service.overrides, busy)
    t.equal(service.threads.length, 0)
  },
)

t.test('the last thread dies while a stop runs what is queued: the stop ends at once', async (t) => {
  const rig = await started(t, 'gate', { numWorkers: 1, prefetch: 0, shutdownTimeoutMs: 600_000 })
  const { service } = rig
  const holds = rig.call('hold', { token: `${service.name} holds` })
  await rig.log.line('begun')
  const queued = rig.call('nap', null)
  const stopped = service.stop()
  service.threadSet.current[0]?.crash(new Error('on purpose'))
  t.equal(await within(stopped, 'the stop'), true)
  t.equal(await holds, 'THREAD_DIED')
  t.equal(await queued, 'SERVICE_NOT_RUNNING')
  t.equal(service.state, 'stopped')
})

t.test('options for new threads, while a person starts the service', async (t) => {
  const rig = new Rig(t, 'echo')
  const written = new Deferred<void>()
  const patched = reconfigure(rig.service, { numWorkers: 3 }, () => written.promise)
  await rig.service.start()
  const [before] = rig.service.threads
  written.resolve()
  await within(patched, 'the change')
  t.equal(rig.service.state, 'running')
  t.equal(rig.service.options.numWorkers, 3)
  t.not(rig.service.threadSet.current[0], before, 'its thread has the new options')
})

t.test('a service leaves its restart group while the group stops its threads: its thread starts again', async (t) => {
  const restart = { strategy: 'oneForAll', group: 'together', backoffMs: 1, backoffMaxMs: 1 } as const
  const log = new RecordingLog()
  const groups = new RestartGroups(log.log)
  const crashing = new Rig(t, 'echo', { restart }, groups)
  const quick = new Rig(t, 'echo', { restart }, groups)
  const waits = new Rig(t, 'waits-to-stop', { restart }, groups)
  await Promise.all([crashing.service.start(), quick.service.start(), waits.service.start()])
  const [thread] = quick.service.threads
  await crashing.service.crash('exit', 'on purpose')
  await waits.log.line('waits to stop')
  if (thread !== undefined) await reached(thread, 'stopped')
  for (const { service } of [quick, waits]) {
    await reconfigure(service, { restart: { strategy: 'oneForOne' } }, async () => {})
  }
  waits.letGo()
  await within(Promise.all([quick, waits, crashing].map((rig) => rig.reaches('running'))), 'all to run')
  t.equal(quick.service.restartCount, 1)
})

t.test('a service leaves its restart group while that is given up: it has failed', async (t) => {
  const restart = { strategy: 'forfeitOneForAll', group: 'together' } as const
  const groups = new RestartGroups(new RecordingLog().log)
  const crashing = new Rig(t, 'echo', { restart }, groups)
  const waits = new Rig(t, 'waits-to-stop', { restart }, groups)
  await Promise.all([crashing.service.start(), waits.service.start()])
  await crashing.service.crash('exit', 'on purpose')
  await waits.log.line('waits to stop')
  await reconfigure(waits.service, { restart: { strategy: 'oneForOne' } }, async () => {})
  waits.letGo()
  await waits.reaches('failed')
  t.match(waits.service.crashReason, { message: /given up with others/ })
})

t.test('a module that cannot be loaded at first: all threads start once it can', async (t) => {
  process.env.FAILS_AT_IMPORT = 'for now'
  t.teardown(() => delete process.env.FAILS_AT_IMPORT)
  const rig = new Rig(t, 'fails-at-import', { threads: 2, restart: { backoffMs: 100, backoffMaxMs: 100 } })
  await t.rejects(rig.service.start(), { code: 'START_FAILED' })
  delete process.env.FAILS_AT_IMPORT
  await rig.reaches('running')
  t.match(rig.service.threads, { length: 2 })
  await Promise.all(rig.service.threads.map((thread) => reached(thread, 'running')))
  t.equal(rig.service.restartCount, 1)
})

t.test('a caller that waits for a service to run gets an error when the server closes', async (t) => {
  const rig = new Rig(t, 'waits-to-start')
  const waits = rig.service.whenRunning(60_000)
  waits.catch(() => {})
  await rig.log.line('waits to start')
  rig.closing = true
  await rig.service.halt()
  await t.rejects(within(waits, 'the wait to end'), { code: 'SERVICE_NOT_RUNNING' })
})
