/** `bench/torn.ts`, torn at every 509th byte, or at every 7th with `THREADPLANE_SOAK=1`: a log that ends in the middle of its last transaction (P2). */
import t from 'tap'
import { tearEverywhere } from '../../bench/torn.ts'
import { isSoak } from './soak.ts'

t.test('with its last transaction torn the journal opens, and has every job that is intact', async (t) => {
  const stepBytes = isSoak ? 7 : 509
  const report = await tearEverywhere(stepBytes)
  t.comment(report)
  t.ok(report.damages > 40)
  t.match(report, { lost: 0, wrong: 0, refusedToOpen: 0 })
})
