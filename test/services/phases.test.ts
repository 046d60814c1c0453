/**
 * Every operation in every phase of a service: what it answers, and the state in which it leaves the service. Threads are
 * real; the phases that pass by themselves are held by modules that wait, or by a registration that is being written.
 */
import t, { type Test } from 'tap'
import { Deferred } from '../../src/async/deferred.ts'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import { callerOf, type LivePhase, livePhase, mayFollow, type Phase } from '../../src/services/phase.ts'
import { reconfigure, replaceVersion } from '../../src/services/replacing.ts'
import { RestartGroups } from '../../src/supervision/restart-groups.ts'
import { RecordingLog, within } from '../helper.ts'
import { openGate } from '../http-helper.ts'
import { Rig, registration, started } from './service-rig.ts'

interface Held {
  rig: Rig
  /** What the phase waits for may come now. */
  letGo: () => void
  /** What was under way. */
  other?: Promise<unknown>
}

const PHASES: Record<string, (t: Test) => Promise<Held>> = {
  stopped: async (t) => held(new Rig(t, 'light')),
  starting: async (t) => {
    const rig = new Rig(t, 'waits-to-start')
    const other = rig.service.start()
    await rig.log.line('waits to start')
    return held(rig, other)
  },
  running: async (t) => held(await started(t, 'light')),
  paused: async (t) => {
    const rig = await started(t, 'light')
    rig.service.pause()
    return held(rig)
  },
  replacing: async (t) => {
    const rig = await started(t, 'light')
    const other = replaceVersion(rig.service, registration('waits-to-start'), async () => {})
    await rig.log.line('waits to start')
    return held(rig, other)
  },
  committing: async (t) => {
    const rig = await started(t, 'light')
    const written = new Deferred<void>()
    const { replaced } = await rig.replaceUntil(written.promise)
    return { rig, letGo: () => written.resolve(), other: replaced }
  },
  backoff: async (t) => {
    const rig = await started(t, 'light', { restart: { backoffMs: 60_000, backoffMaxMs: 60_000 } })
    await rig.service.crash('exit', 'on purpose')
    await rig.reaches('backoff')
    return held(rig)
  },
  failed: async (t) => {
    const rig = await started(t, 'light', { restart: { maxRestarts: 0 } })
    await rig.service.crash('exit', 'on purpose')
    await rig.reaches('failed')
    return held(rig)
  },
  stopping: async (t) => {
    const rig = await started(t, 'waits-to-stop')
    const other = rig.service.halt()
    await rig.log.line('waits to stop')
    return held(rig, other)
  },
  removed: async (t) => {
    const rig = await started(t, 'light')
    await rig.service.remove()
    return held(rig)
  },
}

function held(rig: Rig, other?: Promise<unknown>): Held {
  other?.catch(() => {})
  return { rig, letGo: () => rig.letGo(), ...(other !== undefined && { other }) }
}

const OPERATIONS: Record<string, (rig: Rig) => unknown> = {
  start: ({ service }) => service.start(),
  stop: ({ service }) => service.stop(),
  'stop, no drain': ({ service }) => service.stop({ drain: false }),
  restart: ({ service }) => service.restart(),
  pause: ({ service }) => service.pause(),
  resume: ({ service }) => service.resume(),
  put: ({ service }) => replaceVersion(service, registration('light', { required: true }), async () => {}),
  patch: ({ service }) =>
    reconfigure(service, { ...service.overrides, required: !service.options.required }, async () => {}),
  reload: ({ service }) => {
    const { module, moduleUrl, overrides } = service.threadSet.version
    return replaceVersion(service, { module, moduleUrl, overrides, description: undefined }, async () => {})
  },
  crash: ({ service }) => service.crash('exit', 'on purpose'),
  delete: ({ service }) => service.remove(),
  'server close': (rig) => {
    rig.closing = true
    return rig.service.halt()
  },
}

/** What an operation answers (`undefined` if it only resolves, a code if it rejects), and the state that it leads to. */
type Expected = [answer: boolean | string | undefined, state: string]

/** The registry runs one change of what is registered at a time, so no other is tried while one is under way. */
const ONE_AT_A_TIME = 'one at a time'

const TABLE: Record<string, Record<string, Expected | typeof ONE_AT_A_TIME>> = {
  stopped: {
    start: [true, 'running'],
    stop: [false, 'stopped'],
    'stop, no drain': [false, 'stopped'],
    restart: [undefined, 'running'],
    pause: ['CONFLICT', 'stopped'],
    resume: ['CONFLICT', 'stopped'],
    put: [false, 'stopped'],
    patch: [undefined, 'stopped'],
    reload: [false, 'stopped'],
    crash: ['CONFLICT', 'stopped'],
    delete: [undefined, 'stopped'],
    'server close': [false, 'stopped'],
  },
  starting: {
    start: [false, 'running'],
    stop: [true, 'stopped'],
    'stop, no drain': [true, 'stopped'],
    restart: [undefined, 'running'],
    pause: ['CONFLICT', 'running'],
    resume: ['CONFLICT', 'running'],
    put: [true, 'running'],
    patch: [undefined, 'running'],
    reload: [true, 'running'],
    crash: ['CONFLICT', 'running'],
    delete: [undefined, 'stopped'],
    'server close': [true, 'stopped'],
  },
  running: {
    start: [false, 'running'],
    stop: [true, 'stopped'],
    'stop, no drain': [true, 'stopped'],
    restart: [undefined, 'running'],
    pause: [true, 'paused'],
    resume: [false, 'running'],
    put: [true, 'running'],
    patch: [undefined, 'running'],
    reload: [true, 'running'],
    crash: [undefined, 'running'],
    delete: [undefined, 'stopped'],
    'server close': [true, 'stopped'],
  },
  paused: {
    start: [false, 'paused'],
    stop: [true, 'stopped'],
    'stop, no drain': [true, 'stopped'],
    restart: [undefined, 'running'],
    pause: [false, 'paused'],
    resume: [true, 'running'],
    put: [true, 'paused'],
    patch: [undefined, 'paused'],
    reload: [true, 'paused'],
    crash: [undefined, 'paused'],
    delete: [undefined, 'stopped'],
    'server close': [true, 'stopped'],
  },
  replacing: {
    start: [false, 'running'],
    stop: [true, 'stopped'],
    'stop, no drain': [true, 'stopped'],
    restart: [undefined, 'running'],
    pause: [true, 'paused'],
    resume: [false, 'running'],
    put: ONE_AT_A_TIME,
    patch: ONE_AT_A_TIME,
    reload: ONE_AT_A_TIME,
    crash: [undefined, 'running'],
    delete: [undefined, 'stopped'],
    'server close': [true, 'stopped'],
  },
  committing: {
    start: [false, 'running'],
    stop: [true, 'stopped'],
    'stop, no drain': [true, 'stopped'],
    restart: [undefined, 'running'],
    pause: [true, 'paused'],
    resume: [false, 'running'],
    put: ONE_AT_A_TIME,
    patch: ONE_AT_A_TIME,
    reload: ONE_AT_A_TIME,
    crash: [undefined, 'running'],
    delete: [undefined, 'stopped'],
    'server close': [true, 'stopped'],
  },
  backoff: {
    start: [true, 'running'],
    stop: [true, 'stopped'],
    'stop, no drain': [true, 'stopped'],
    restart: [undefined, 'running'],
    pause: ['CONFLICT', 'backoff'],
    resume: ['CONFLICT', 'backoff'],
    put: [true, 'running'],
    patch: [undefined, 'backoff'],
    reload: [true, 'running'],
    crash: ['CONFLICT', 'backoff'],
    delete: [undefined, 'stopped'],
    'server close': [true, 'stopped'],
  },
  failed: {
    start: [true, 'running'],
    stop: [true, 'stopped'],
    'stop, no drain': [true, 'stopped'],
    restart: [undefined, 'running'],
    pause: ['CONFLICT', 'failed'],
    resume: ['CONFLICT', 'failed'],
    put: [true, 'running'],
    patch: [undefined, 'failed'],
    reload: [true, 'running'],
    crash: ['CONFLICT', 'failed'],
    delete: [undefined, 'stopped'],
    'server close': [true, 'stopped'],
  },
  stopping: {
    start: [true, 'running'],
    stop: [false, 'stopped'],
    'stop, no drain': [false, 'stopped'],
    restart: [undefined, 'running'],
    pause: ['CONFLICT', 'stopped'],
    resume: ['CONFLICT', 'stopped'],
    put: [false, 'stopped'],
    patch: [undefined, 'stopped'],
    reload: [false, 'stopped'],
    crash: ['CONFLICT', 'stopped'],
    delete: [undefined, 'stopped'],
    'server close': [false, 'stopped'],
  },
  removed: {
    start: ['SERVICE_NOT_FOUND', 'stopped'],
    stop: [false, 'stopped'],
    'stop, no drain': [false, 'stopped'],
    restart: ['SERVICE_NOT_FOUND', 'stopped'],
    pause: ['CONFLICT', 'stopped'],
    resume: ['CONFLICT', 'stopped'],
    put: [false, 'stopped'],
    patch: [undefined, 'stopped'],
    reload: [false, 'stopped'],
    crash: ['CONFLICT', 'stopped'],
    delete: [undefined, 'stopped'],
    'server close': [false, 'stopped'],
  },
}

/** Operations after which a person wants the service stopped. */
const WISHES_STOPPED = new Set(['stop', 'stop, no drain', 'delete'])

const WISHES_RUNNING = new Set(['start', 'restart'])

/** Phases that end by themselves once the service is let go. */
const PASSING = new Set(['starting', 'replacing', 'committing', 'stopping'])

/**
 * The operations of a phase, grouped: those that leave a service in this phase are tried on one service. In a phase that
 * passes they are tried at the same time, else one after another.
 */
function groupsOf(phase: string): string[][] {
  const expected = TABLE[phase] ?? {}
  const staysIn = (name: string) => {
    if (phase === 'removed') return true
    const [answer, state] = expected[name] ?? []
    if (PASSING.has(phase)) return answer === 'CONFLICT' || (answer === false && name !== 'put' && name !== 'reload')
    return state === phase && name !== 'delete' && name !== 'server close'
  }
  const names = Object.keys(OPERATIONS).filter((name) => expected[name] !== ONE_AT_A_TIME)
  return [names.filter(staysIn), ...names.filter((name) => !staysIn(name)).map((name) => [name])]
}

for (const [phase, enter] of Object.entries(PHASES)) {
  t.test(`every operation in the phase: ${phase}`, async (t) => {
    const tried = groupsOf(phase).map(async (names) => {
      const { rig, letGo, other } = await enter(t)
      const { service, log } = rig
      let wish = service.desiredState
      let state = ''
      const answers: Promise<unknown>[] = []
      for (const name of names) {
        const expected = TABLE[phase]?.[name] as Expected
        state = expected[1]
        const answered = within(
          outcome(() => OPERATIONS[name]?.(rig)),
          `${name} in ${phase}`,
        )
        answers.push(answered.then((answer) => t.equal(answer, expected[0], name)))
        if (WISHES_STOPPED.has(name)) wish = 'stopped'
        else if (WISHES_RUNNING.has(name) && phase !== 'removed') wish = 'running'
        if (PASSING.has(phase)) continue
        await answered
        await rig.reaches(state)
      }
      letGo()
      await Promise.all(answers)
      await within(
        Promise.resolve(other).catch(() => {}),
        `what was under way in ${phase}`,
      )
      await rig.reaches(state)
      const title = names.join(', ')
      t.equal(service.state, state, `${title}: the state`)
      t.equal(service.desiredState, wish, `${title}: the wish`)
      t.equal(log.count(/this step between phases is not in its table/), 0, `${title}: only steps of the table`)
    })
    await Promise.all(tried)
  })
}

async function outcome(operation: () => unknown): Promise<unknown> {
  try {
    return await operation()
  } catch (error) {
    return error instanceof ThreadplaneError ? error.code : error
  }
}

t.test('a replacement that a stop ends is a conflict; one that is being written is not', async (t) => {
  for (const [phase, expected] of [
    ['replacing', 'CONFLICT'],
    ['committing', true],
  ] as const) {
    const { rig, letGo, other } = await (PHASES[phase] as (t: Test) => Promise<Held>)(t)
    const stopped = rig.service.stop()
    letGo()
    t.equal(await outcome(() => other), expected, phase)
    await stopped
    t.equal(rig.service.state, 'stopped')
  }
})

t.test('calls that are queued are run when a stop meets a replacement that is being written', async (t) => {
  const busy = { numWorkers: 1, prefetch: 0 }
  const rig = await started(t, 'gate', busy)
  const { service } = rig
  const token = `${service.name} holds`
  const holds = rig.call('hold', { token })
  await rig.log.line('begun')
  const queued = [1, 2, 3].map(() => rig.call('nap', null))
  const written = new Deferred<void>()
  const { replaced } = await rig.replaceUntil(written.promise, registration('gate', busy))
  const stopped = service.stop()
  written.resolve()
  t.equal(await replaced, true)
  t.same(await within(Promise.all(queued), 'the queued calls'), ['"rested"', '"rested"', '"rested"'])
  openGate(token)
  t.equal(await within(holds, 'the call that had begun'), JSON.stringify(token))
  t.equal(await stopped, true)
})

t.test('a stop while a oneForAll group restarts is the last word', async (t) => {
  const restart = { strategy: 'oneForAll', group: 'together', backoffMs: 1, backoffMaxMs: 1 } as const
  const log = new RecordingLog()
  const groups = new RestartGroups(log.log)
  const crashing = new Rig(t, 'light', { restart }, groups)
  const stopped = new Rig(t, 'waits-to-stop', { restart }, groups)
  await Promise.all([crashing.service.start(), stopped.service.start()])
  await crashing.service.crash('exit', 'on purpose')
  await stopped.log.line('waits to stop')
  t.equal(stopped.service.state, 'starting', 'its supervisor restarts it, so it is not stopped')
  stopped.letGo()
  t.equal(await stopped.service.stop(), true)
  t.equal(stopped.service.state, 'stopped')
  await within(crashing.reaches('running'), 'the restart of the other member')
  t.equal(stopped.service.state, 'stopped', 'the restart of the group does not start it')
})

t.test('the table of steps, and the phase that the threads call for', async (t) => {
  const starting = (by?: string): LivePhase => {
    return { kind: 'starting', onlyIfAutostart: false, operation: Promise.resolve(true), by }
  }
  const serving: LivePhase = { kind: 'serving' }
  const replacement = { operation: Promise.resolve(), committed: false }
  const replacing = (over: LivePhase): Phase => ({ kind: 'replacing', over, replacement })
  t.ok(mayFollow({ kind: 'stopped' }, starting()))
  t.notOk(mayFollow({ kind: 'stopped' }, serving), 'a service starts before it serves')
  t.notOk(mayFollow({ kind: 'removed' }, starting()), 'a deleted service never starts')
  t.ok(mayFollow(replacing(starting()), replacing(serving)), 'the phase below a replacement takes its own steps')
  t.notOk(mayFollow(replacing(serving), replacing(starting())))

  const reason = new Error('a dependency does not run')
  t.same(livePhase(starting(), 'stopped', reason), { kind: 'failed', reason })
  t.same(livePhase(serving, 'stopped'), { kind: 'recovering', recovery: 'restarting' }, 'never stopped in between')
  t.equal(livePhase(serving, 'crashed'), serving, 'its supervisor decides next')
  t.equal(livePhase(serving, 'running'), serving)
  t.same(livePhase(serving, 'backoff'), { kind: 'recovering', recovery: 'backoff' })
  t.same(livePhase({ kind: 'recovering', recovery: 'backoff' }, 'failed'), { kind: 'failed', reason: undefined })

  const stopping: Phase = { kind: 'stopping', operation: Promise.resolve(), draining: false, next: 'stopped', by: 'b' }
  t.equal(callerOf({ kind: 'stopped' }, starting('a')), 'a')
  t.equal(callerOf(replacing(starting('a')), replacing(serving)), 'a', 'for the end of an operation too')
  t.equal(callerOf(starting('a'), stopping), 'b')
  t.equal(callerOf(stopping, { kind: 'stopped' }), 'b')
  t.equal(callerOf(starting('a'), { ...stopping, by: undefined }), undefined, 'the server stops what a token started')
  t.equal(callerOf(serving, livePhase(serving, 'backoff')), undefined)
})
