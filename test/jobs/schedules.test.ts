/** Each tick of a schedule casts one job, also when services are missing, clocks are set and ticks were missed. */
import t, { type Test } from 'tap'
import { NO_EVENTS } from '../../src/contract/events.ts'
import type { Dispatcher } from '../../src/jobs/dispatcher.ts'
import type { Schedule } from '../../src/jobs/job-store.ts'
import { Schedules } from '../../src/jobs/schedules.ts'
import { KnownSchedule } from '../../src/jobs/known-schedule.ts'
import { Deferred } from '../../src/async/deferred.ts'
import type { JobTarget } from '../../src/jobs/job-target.ts'
import { StoreDeadline } from '../../src/jobs/store-deadline.ts'
import { timings } from '../../src/jobs/timings.ts'
import { accept, eventually, type LocalJournal, localJournal, log } from '../sqlite/jobs.ts'

timings.retryTickAfterMs = 20
timings.retryTickMaxMs = 50

const HOUR_MS = 60 * 60 * 1_000

const HOURLY: Schedule = {
  service: 'mail',
  name: 'hourly',
  cron: '0 * * * *',
  timezone: 'UTC',
  method: 'send',
  source: 'http',
  payloadBytes: 2,
  createdAt: Date.now(),
  lastTickAt: null,
}

/** Has missed its ticks since yesterday. */
const MISSED: Schedule = { ...HOURLY, createdAt: Date.now() - 24 * HOUR_MS }

/** A service that takes any payload. */
const mail = {
  name: 'mail',
  described: true,
  whenDescribed: async () => {},
  checkMethod: () => {},
  checkPayload: () => {},
} as unknown as JobTarget

interface Rig {
  schedules: Schedules
  journal: LocalJournal
  /** The ticks that were cast: when they were due, and their schedules. */
  ticks: { name: string; at: number }[]
  /** The log lines about schedules. */
  lines: { schedule: string }[]
  deadline: StoreDeadline
}

/** Schedules over a real journal. Their casts are recorded, and end when `gate` resolves. */
async function rig(t: Test, stored: Partial<Schedule>[], gate?: Promise<void>, exists = () => true): Promise<Rig> {
  const journal = localJournal(t)
  for (const schedule of stored) await journal.putSchedule({ ...HOURLY, ...schedule }, '{}')
  const ticks: Rig['ticks'] = []
  const castTick: Dispatcher['castTick'] = async (_service, { options: { tick } }) => {
    ticks.push(tick as Rig['ticks'][0])
    await gate
    return (await accept(journal, { tick })).id
  }
  const lines: Rig['lines'] = []
  const deadline = new StoreDeadline()
  const schedules = new Schedules({
    events: NO_EVENTS,
    store: journal,
    dispatcher: { castTick, deadline } as Dispatcher,
    log: { ...log, error: (line: unknown) => lines.push(line as Rig['lines'][0]) },
    targetOf: (name) => (name === 'mail' && exists() ? mail : undefined),
  })
  t.teardown(() => schedules.close())
  schedules.load()
  return { schedules, journal, ticks, lines, deadline }
}

/** What `PUT` gives. */
const SPEC = {
  service: 'mail',
  name: 'hourly',
  cron: '0 * * * *',
  timezone: 'UTC',
  method: 'send',
  source: 'http' as const,
  payload: {},
}

t.test(
  'missed ticks cast one job, stamped with the time that was due last; the next tick comes at its time',
  async (t) => {
    const { schedules, ticks } = await rig(t, [MISSED])
    await eventually(() => ticks.length > 0)
    const [{ at } = { at: 0 }] = ticks
    t.equal(at % HOUR_MS, 0)
    t.ok(at <= Date.now() && at > Date.now() - HOUR_MS)
    const next = await eventually(async () => {
      const { lastTickAt, nextAt } = await schedules.get('mail', 'hourly')
      return lastTickAt === at && nextAt
    })
    t.equal(next, at + HOUR_MS)
    t.equal(ticks.length, 1)
  },
)

t.test('a tick that is being cast is not cast again when another schedule changes', async (t) => {
  const gate = new Deferred<void>()
  const { schedules, ticks } = await rig(t, [MISSED], gate.promise)
  await eventually(() => ticks.length > 0)
  await schedules.put(mail, { ...SPEC, name: 'other' })
  await schedules.remove('mail', 'other')
  await new Promise((resolve) => setTimeout(resolve, 50))
  gate.resolve()
  await eventually(async () => (await schedules.get('mail', 'hourly')).lastTickAt !== null)
  t.equal(ticks.length, 1)
})

t.test('a schedule waits until its service exists, is logged once, and delays no other', async (t) => {
  let exists = false
  const missed = [MISSED, { ...MISSED, service: 'gone', name: 'lost' }]
  const { schedules, ticks, lines } = await rig(t, missed, undefined, () => exists)
  t.match(await schedules.list('gone'), [{ name: 'lost', nextAt: undefined, error: { code: 'SERVICE_NOT_FOUND' } }])
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.equal(ticks.length, 0)
  t.strictSame(lines.map(({ schedule }) => schedule).sort(), ['hourly', 'lost'])
  exists = true
  await eventually(() => ticks.length > 0)
  t.match(ticks, [{ name: 'hourly' }])
  await schedules.put(mail, { ...SPEC, name: 'often', cron: '* * * * * *' })
  await eventually(() => ticks.some(({ name }) => name === 'often'))
  t.match(await schedules.get('mail', 'hourly'), { error: undefined })
  await schedules.remove('gone', 'lost')
  t.strictSame(await schedules.list('gone'), [])
})

t.test(
  'what this version cannot run is logged with its name, can be seen and deleted, and stops nothing',
  async (t) => {
    const { schedules, journal, ticks, lines } = await rig(t, [
      { ...MISSED, name: 'zone', timezone: 'Mars/Olympus' },
      { ...MISSED, name: 'cron', cron: '2030-01-01T00:00:00 a b c d' },
      { ...MISSED, name: 'fields', cron: '0 0 0 0 0 0 0 0' },
      { ...MISSED, name: 'good' },
    ])
    await eventually(() => ticks.length > 0)
    t.match(ticks, [{ name: 'good' }])
    t.strictSame(lines.map(({ schedule }) => schedule).sort(), ['cron', 'fields', 'zone'])
    for (const name of ['zone', 'cron', 'fields']) {
      t.match(await schedules.get('mail', name), {
        nextAt: undefined,
        error: { code: 'VALIDATION_FAILED', message: /./ },
        payload: {},
      })
    }
    await schedules.put(mail, { ...SPEC, name: 'zone' })
    t.match(await schedules.get('mail', 'zone'), { nextAt: Number, error: undefined }, 'a PUT repairs it')
    for (const name of ['zone', 'cron', 'fields']) await schedules.remove('mail', name)
    t.match(await journal.schedules(), [{ name: 'good' }])
  },
)

t.test('a damaged payload is shown as an error, and the next tick of other schedules comes', async (t) => {
  const { schedules, journal, ticks, lines } = await rig(t, [{ ...MISSED, name: 'good' }])
  await journal.putSchedule({ ...MISSED, name: 'bad' }, '{"cut')
  await eventually(() => ticks.length > 0)
  schedules.load()
  await eventually(() => lines.length > 0)
  t.match(lines, [{ schedule: 'bad' }])
  t.match(await schedules.get('mail', 'bad'), { payload: undefined, error: { message: /damaged/ } })
  t.match(await schedules.list('mail'), [
    { name: 'bad', payload: undefined, error: { message: /damaged/ } },
    { payload: {} },
  ])
  await schedules.remove('mail', 'bad')
})

t.test(
  'the size of payloads is limited, of one and of all together, also of those that are being stored',
  async (t) => {
    const { schedules } = await rig(t, [])
    const MOST = 256 * 1024
    const put = (name: string, bytes: number) => schedules.put(mail, { ...SPEC, name, payload: 'x'.repeat(bytes) })
    await t.rejects(put('large', MOST), { code: 'PAYLOAD_TOO_LARGE', message: /262146$/ })
    const answers = await Promise.allSettled(Array.from({ length: 262 }, (_, index) => put(`a${index}`, MOST - 2)))
    t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 256)
    t.match(answers.at(-1), { reason: { code: 'CONFLICT', message: /67108864 bytes together: delete/ } })
    t.notOk(await put('a0', 2), 'a smaller payload in place of a large one')
    t.match(await schedules.list('mail'), [{ name: 'a0', payload: 'xx' }], 'large payloads are left out of lists')
    t.equal((await schedules.list('mail'))[1]?.payload, undefined)
  },
)

t.test('a PUT of the same schedule keeps its last tick; another cron expression makes up for nothing', async (t) => {
  const { schedules, ticks } = await rig(t, [MISSED])
  const [{ at } = { at: 0 }] = await eventually(() => ticks.length > 0 && ticks)
  await eventually(async () => (await schedules.get('mail', 'hourly')).lastTickAt === at)
  t.notOk(await schedules.put(mail, { ...SPEC, payload: { other: 1 } }))
  t.match(await schedules.get('mail', 'hourly'), { lastTickAt: at, createdAt: MISSED.createdAt, payload: { other: 1 } })
  await schedules.put(mail, { ...SPEC, cron: '30 0 * * *' })
  const { lastTickAt, createdAt, nextAt } = await schedules.get('mail', 'hourly')
  t.equal(lastTickAt, at)
  t.ok(createdAt > MISSED.createdAt)
  t.ok((nextAt as number) > Date.now())
})

t.test('a schedule whose last tick lies in the future, as the clock was set back, follows the new clock', (t) => {
  const now = Date.now()
  const next = new KnownSchedule({ ...HOURLY, lastTickAt: now + 365 * 24 * HOUR_MS }).nextAt as number
  t.ok(next > now && next <= now + HOUR_MS)
  const known = new KnownSchedule({ ...HOURLY, cron: '* * * * * *', lastTickAt: now + 2_000 })
  t.ok((known.nextAt as number) > now + 2_000, 'a small correction of the clock repeats no tick')
  t.end()
})

t.test('the wait until a tick is tried again does not depend on the clock', (t) => {
  const known = new KnownSchedule({ ...MISSED })
  known.postpone()
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => now() - 5 * HOUR_MS
  t.ok(known.waitMs <= 20)
  t.end()
})

t.test('a client is told if the store does not answer; what it asked for is done when the store answers', async (t) => {
  const { schedules, journal, deadline } = await rig(t, [HOURLY])
  const usual = timings.storeAnswersWithinMs
  t.teardown(() => {
    timings.storeAnswersWithinMs = usual
  })
  await schedules.list('mail')
  const [held, gate] = [new Deferred<void>(), new Deferred<void>()]
  const put = journal.putSchedule.bind(journal)
  journal.putSchedule = async (...args) => {
    held.resolve()
    await gate.promise
    return put(...args)
  }
  timings.storeAnswersWithinMs = 0
  const storing = t.rejects(schedules.put(mail, { ...HOURLY, name: 'late', payload: {} }), {
    code: 'JOURNAL_UNAVAILABLE',
  })
  await held.promise
  deadline.sweep()
  await storing
  timings.storeAnswersWithinMs = usual
  gate.resolve()
  await eventually(async () => (await schedules.list('mail')).some(({ name }) => name === 'late'))
})
