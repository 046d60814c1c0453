/** Each tick of a schedule casts one job, also when services are missing, clocks are set and ticks were missed. */
import t, { type Test } from 'tap'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import type { Dispatcher } from '../../src/jobs/dispatcher.ts'
import type { Schedule } from '../../src/jobs/job-store.ts'
import { nextTickAt, Schedules } from '../../src/jobs/schedules.ts'
import { Deferred } from '../../src/async/deferred.ts'
import type { JobTarget } from '../../src/jobs/job-target.ts'
import { timings } from '../../src/jobs/timings.ts'
import { eventually, localJournal, log } from '../sqlite/jobs.ts'

timings.retryTickAfterMs = 20

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
  /** The ticks that were cast, in milliseconds since the epoch. */
  ticks: number[]
}

/** Schedules over a real journal. Their casts are recorded, and end when `gate` resolves. */
async function rig(t: Test, stored: Schedule[], gate?: Promise<void>, exists = () => true): Promise<Rig> {
  const journal = localJournal(t)
  for (const schedule of stored) await journal.putSchedule(schedule)
  const ticks: number[] = []
  const cast: Dispatcher['cast'] = async (_service, [request]) => {
    ticks.push(request?.options.tick?.at as number)
    await gate
    return []
  }
  const targetOf = (name: string) => {
    if (name === 'mail' && exists()) return mail
    throw new ThreadplaneError('SERVICE_NOT_FOUND', `there is no service ${name}`)
  }
  const schedules = new Schedules({ store: journal, dispatcher: { cast } as Dispatcher, log, targetOf })
  t.teardown(() => schedules.close())
  await schedules.load()
  return { schedules, ticks }
}

t.test('missed ticks cast one job, and the next tick comes at its time', async (t) => {
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

t.test('a tick that is being cast is not cast again when another schedule changes', async (t) => {
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

t.test('a schedule waits until its service exists', async (t) => {
  let exists = false
  const { ticks } = await rig(t, [MISSED, { ...MISSED, service: 'gone' }], undefined, () => exists)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(ticks.length, 0)
  exists = true
  await eventually(() => ticks.length > 0)
})

t.test('a schedule whose last tick lies in the future, as the clock was set back, follows the new clock', (t) => {
  const now = Date.now()
  const next = nextTickAt({ ...HOURLY, lastTickAt: now + 365 * 24 * HOUR_MS }, now) as number
  t.ok(next > now && next <= now + HOUR_MS)
  const corrected = nextTickAt({ ...HOURLY, cron: '* * * * * *', lastTickAt: now + 2_000 }, now) as number
  t.ok(corrected > now + 2_000, 'a small correction of the clock repeats no tick')
  t.end()
})

t.test('summer time: a time that is skipped and a time that comes twice are one tick each', (t) => {
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
  t.match(spring, [/^2027-03-28T01:/, '2027-03-29T00:30:00.000Z'], 'on 28 March 02:30 does not exist')
  t.equal(spring.length, 2)
  t.strictSame(ticksOf('30 2 * * *', '2027-10-30T12:00:00Z', '2027-11-01T12:00:00Z').length, 2)
  t.equal(
    ticksOf('*/30 * * * *', '2027-10-31T00:00:00Z', '2027-10-31T03:00:00Z').length,
    6,
    'every half hour is a tick',
  )
  t.end()
})
