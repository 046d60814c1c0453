/** `bench/kill.ts` in one round, or in 40 with `THREADPLANE_SOAK=1`: the server is killed while 50 clients cast (P2, P3). */
import t from 'tap'
import { killRounds } from '../../bench/kill.ts'
import { isSoak } from './soak.ts'

t.test(
  'after kill -9 every acknowledged job is there, has one outcome, and ran no more often than its attempts say',
  async (t) => {
    const report = await killRounds(isSoak ? 40 : 1)
    t.comment(report)
    t.ok(report.acknowledged > 0)
    t.match(report, { lost: 0, unfinished: 0, ranTooOften: 0 })
    t.ok(report.ranAgain <= report.openAttempts, 'only jobs whose attempt was running at a kill ran again')
  },
)
