/** The clock of schedules: each tick one job, whatever becomes of services, clocks and the journal meanwhile. */
import t, { type Test } from 'tap'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import type { Dispatcher } from '../../src/jobs/dispatcher.ts'
import type { Schedule } from '../../src/jobs/job-store.ts'
import { nextTickAt, Schedules } from '../../src/jobs/schedules.ts'
import { Deferred } from '../../src/async/deferred.ts'
import type { JobTarget } from '../../src/jobs/job-target.ts'
import { eventually, log, openJournal } from '../sqlite/jobs.ts'

const HOUR_MS = 60 * 60 * 1_000

const HOURLY: Schedule = {
  service: 'mail',
  name: 'hourly',
  cron: '0 * * * *',
  timezone: 'UTC',
  method: 'send',
  payload: {},
  createdAt: Date.now(),
  lastTickAt: null,
}

/** Missed since yesterday. */
const MISSED: Schedule = { ...HOURLY, createdAt: Date.now() - 24 * HOUR_MS }

/** A service that is there, and takes any payload. */
const mail = {
  name: 'mail',
  described: true,
  whenDescribed: async () => {},
  checkMethod: () => {},
  checkPayload: () => {},
} as unknown as JobTarget

interface Rig {
  schedules: Schedules
  /** The ticks that were cast, in milliseconds since the epoch. */
  ticks: number[]
}

/** Schedules over a real journal; what they cast is written down, as soon as `gate` lets it. */
async function rig(t: Test, kept: Schedule[], gate?: Promise<void>, isThere = () => true): Promise<Rig> {
  const journal = await openJournal(t.testdir())
  t.teardown(() => journal.close())
  for (const schedule of kept) await journal.putSchedule(schedule)
  const ticks: number[] = []
  const cast: Dispatcher['cast'] = async (_service, [request]) => {
    ticks.push(request?.options.tick?.at as number)
    await gate
    return []
  }
  const targetOf = (name: string) => {
    if (name === 'mail' && isThere()) return mail
    throw new ThreadplaneError('SERVICE_NOT_FOUND', `there is no service ${name}`)
  }
  const schedules = new Schedules({ store: journal, dispatcher: { cast } as Dispatcher, log, targetOf })
  t.teardown(() => schedules.close())
  await schedules.load()
  return { schedules, ticks }
}

t.test('a tick that was missed runs once, and the next in its time', async (t) => {
  const { schedules, ticks } = await rig(t, [MISSED])
  await eventually(() => ticks.length > 0)
  t.equal(ticks.length, 1)
  const [tick = 0] = ticks
  const next = await eventually(() => {
    const { lastTickAt } = schedules.get('mail', 'hourly')
    return lastTickAt === tick && nextTickAt(schedules.get('mail', 'hourly'), Date.now())
  })
  t.ok(next > tick && next <= tick + HOUR_MS)
})

t.test('a tick under way is not cast again because another schedule changes', async (t) => {
  const gate = new Deferred<void>()
  const { schedules, ticks } = await rig(t, [MISSED], gate.promise)
  await eventually(() => ticks.length > 0)
  await schedules.put(mail, { ...HOURLY, name: 'other' })
  await schedules.remove('mail', 'other')
  await new Promise((resolve) => setTimeout(resolve, 50))
  gate.resolve()
  await eventually(() => schedules.get('mail', 'hourly').lastTickAt !== null)
  t.equal(ticks.length, 1)
})

t.test('a schedule of a service that is not there waits for it', async (t) => {
  let there = false
  const { ticks } = await rig(t, [MISSED, { ...MISSED, service: 'gone' }], undefined, () => there)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(ticks.length, 0)
  there = true
  await eventually(() => ticks.length > 0)
})

t.test('a schedule whose last tick lies ahead, as the clock was set back, goes by the new clock', (t) => {
  const now = Date.now()
  const next = nextTickAt({ ...HOURLY, lastTickAt: now + 365 * 24 * HOUR_MS }, now) as number
  t.ok(next > now && next <= now + HOUR_MS)
  const corrected = nextTickAt({ ...HOURLY, cron: '* * * * * *', lastTickAt: now + 2_000 }, now) as number
  t.ok(corrected > now + 2_000, 'a clock that was corrected by a little repeats no tick')
  t.end()
})

t.test('summer time: a time that is skipped and one that comes twice are one tick each', (t) => {
  const ticksOf = (cron: string, from: string, to: string) => {
    const ticks: string[] = []
    let lastTickAt = Date.parse(from)
    for (;;) {
      const next = nextTickAt({ ...HOURLY, cron, timezone: 'Europe/Berlin', lastTickAt }, lastTickAt) as number
      if (next > Date.parse(to)) return ticks
      ticks.push(new Date(next).toISOString())
      lastTickAt = next
    }
  }
  const spring = ticksOf('30 2 * * *', '2027-03-27T12:00:00Z', '2027-03-29T12:00:00Z')
  t.match(spring, [/^2027-03-28T01:/, '2027-03-29T00:30:00.000Z'], 'on 28 March there is no half past two')
  t.equal(spring.length, 2)
  t.strictSame(ticksOf('30 2 * * *', '2027-10-30T12:00:00Z', '2027-11-01T12:00:00Z').length, 2)
  t.equal(ticksOf('*/30 * * * *', '2027-10-31T00:00:00Z', '2027-10-31T03:00:00Z').length, 6, 'every half hour is one')
  t.end()
})
