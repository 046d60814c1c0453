/** The short version of `node dist/bench/kill.js`: the server killed while 50 clients cast (DESIGN P2, P3). */
import t from 'tap'
import { killRounds } from '../../bench/kill.ts'

t.test('after kill -9 every acknowledged job is there, with one outcome, and none ran unaccounted for', async (t) => {
  const report = await killRounds(4)
  t.comment(report)
  t.ok(report.acknowledged > 0)
  t.match(report, { lost: 0, unfinished: 0, ranTooOften: 0 })
  t.ok(report.ranAgain <= report.openAttempts, 'only those with an attempt in the journal at a kill ran again')
})
