/** The short version of `node dist/bench/torn.js`: a log that ends in the middle of its last transaction (DESIGN P2). */
import t from 'tap'
import { tearEverywhere } from '../../bench/torn.ts'

t.test('with the last transaction torn the journal opens, and has all that is intact', async (t) => {
  const report = await tearEverywhere(509)
  t.comment(report)
  t.ok(report.damages > 40)
  t.match(report, { lost: 0, wrong: 0, refusedToOpen: 0 })
})
