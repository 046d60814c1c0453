/** The times of cron expressions where clocks are changed: each case of docs/schedules.md, in several zones. */
import t from 'tap'
import { CronTimes } from '../../src/jobs/cron-times.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** The times in an interval, as `DDTHH:MM` in UTC. */
function timesOf(cron: string, timezone: string, from: string, to: string): string[] {
  const cronTimes = new CronTimes(cron, timezone)
  const times: string[] = []
  for (
    let at = cronTimes.next(Date.parse(from) - 1);
    at !== undefined && at < Date.parse(to);
    at = cronTimes.next(at)
  ) {
    times.push(new Date(at).toISOString().slice(8, 16))
  }
  return times
}

t.test('Vienna in spring: a skipped time counts once, at the end of the gap', (t) => {
  const times = (cron: string) => timesOf(cron, 'Europe/Vienna', '2027-03-27T23:00Z', '2027-03-28T22:00Z')
  t.strictSame(times('30 2 * * *'), ['28T01:00'])
  t.strictSame(times('0 2,14 * * *'), ['28T01:00', '28T12:00'])
  t.strictSame(times('0,30 2 * * *'), ['28T01:00'])
  t.strictSame(times('*/10 2 * * *'), ['28T01:00'])
  t.strictSame(times('0 1-3 * * *'), ['28T00:00', '28T01:00'], '2:00 and 3:00 are the same moment')
  t.strictSame(times('0 0-23/2 * * *').length, 12)
  t.strictSame(times('0 */6 * * *'), ['27T23:00', '28T04:00', '28T10:00', '28T16:00'])
  t.strictSame(times('15 2 28 3 *'), ['28T01:00'], 'also if it is the only day')
  t.strictSame(times('15 2 * * SUN'), ['28T01:00'])
  t.strictSame(times('30 15 2 * * *'), ['28T01:00'], 'with seconds')
  t.end()
})

t.test('Vienna in autumn: of a time that comes twice the first counts', (t) => {
  const times = (cron: string) => timesOf(cron, 'Europe/Vienna', '2026-10-24T22:00Z', '2026-10-25T23:00Z')
  t.strictSame(times('30 2 * * *'), ['25T00:30'])
  t.strictSame(times('0 2,14 * * *'), ['25T00:00', '25T13:00'])
  t.strictSame(times('0,30 2 * * *'), ['25T00:00', '25T00:30'])
  t.strictSame(times('*/20 2 * * *'), ['25T00:00', '25T00:20', '25T00:40'])
  t.strictSame(times('0-20/10 2-3 * * *'), ['25T00:00', '25T00:10', '25T00:20', '25T02:00', '25T02:10', '25T02:20'])
  t.strictSame(times('0 */2 * * *').length, 12)
  t.end()
})

t.test('every hour: intervals go on through both changes', (t) => {
  const spring = (cron: string) => timesOf(cron, 'Europe/Vienna', '2027-03-28T00:00Z', '2027-03-28T03:00Z')
  t.strictSame(spring('*/30 * * * *').length, 6)
  t.strictSame(spring('15 * * * *'), ['28T00:15', '28T01:15', '28T02:15'])
  const autumn = (cron: string) => timesOf(cron, 'Europe/Vienna', '2026-10-24T23:00Z', '2026-10-25T03:00Z')
  t.strictSame(autumn('*/30 * * * *').length, 8)
  t.strictSame(autumn('15 0-23 * * *'), ['24T23:15', '25T00:15', '25T01:15', '25T02:15'])
  t.strictSame(autumn('@hourly'), ['24T23:00', '25T00:00', '25T01:00', '25T02:00'])
  t.end()
})

t.test('New York, Lord Howe with half an hour, and zones that change at midnight', (t) => {
  t.strictSame(timesOf('0 2,14 * * *', 'America/New_York', '2027-03-14T05:00Z', '2027-03-15T04:00Z'), [
    '14T07:00',
    '14T18:00',
  ])
  t.strictSame(timesOf('30 1 * * *', 'America/New_York', '2026-11-01T04:00Z', '2026-11-02T05:00Z'), ['01T05:30'])
  t.strictSame(timesOf('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T12:00Z', '2026-10-04T12:00Z'), ['03T15:30'])
  t.strictSame(timesOf('45 1 * * *', 'Australia/Lord_Howe', '2027-04-03T12:00Z', '2027-04-04T12:00Z'), ['03T14:45'])
  t.strictSame(timesOf('0 0 * * *', 'Asia/Beirut', '2027-03-27T12:00Z', '2027-03-29T12:00Z'), ['27T22:00', '28T21:00'])
  t.strictSame(timesOf('30 0 * * *', 'America/Sao_Paulo', '2018-11-03T12:00Z', '2018-11-05T12:00Z'), [
    '04T03:00',
    '05T02:30',
  ])
  t.strictSame(timesOf('30 23 * * *', 'America/Sao_Paulo', '2018-02-17T12:00Z', '2018-02-18T12:00Z'), ['18T01:30'])
  t.strictSame(
    timesOf('0 0 30 12 *', 'Pacific/Apia', '2011-12-29T00:00Z', '2012-01-02T00:00Z'),
    ['30T10:00'],
    'a skipped day',
  )
  t.end()
})

t.test('the last time before a moment is the one that `next` comes to', (t) => {
  for (const [cron, timezone] of [
    ['*/7 * * * *', 'Australia/Lord_Howe'],
    ['0,30 1-3 * * *', 'Europe/Vienna'],
  ] as const) {
    const cronTimes = new CronTimes(cron, timezone)
    const start = Date.parse('2026-10-03T00:00Z')
    const times: number[] = []
    for (let at = cronTimes.next(start) as number; at < start + 36 * HOUR_MS; at = cronTimes.next(at) as number)
      times.push(at)
    for (let now = start; now < start + 36 * HOUR_MS; now += 13 * MINUTE_MS) {
      const expected = times.filter((at) => at <= now).at(-1)
      if (cronTimes.last(start, now) !== expected) t.equal(cronTimes.last(start, now), expected, `${cron} by ${now}`)
    }
  }
  t.equal(new CronTimes('0 0 29 2 *', 'UTC').last(0, Date.parse('1972-02-28')), undefined)
  t.end()
})

t.test('what is no cron expression is refused, also what the library takes for a date', (t) => {
  for (const cron of [
    '2030-01-01T00:00:00',
    '2030-01-01T00:00:00 a b c d',
    'Jan 1 2030 00:00:00 UTC',
    '0:30 3 * * *',
    '* * * *',
    '0 0 0 1 1 * 2030',
    '@reboot',
    '',
  ]) {
    t.throws(() => new CronTimes(cron, 'UTC'), Error, cron)
  }
  t.throws(() => new CronTimes('0 3 * * *', 'Mars/Olympus'), RangeError)
  t.end()
})
