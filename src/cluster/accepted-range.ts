/** Jobs that were accepted in a range of time, as a range of their numbers: jobs are numbered as they are accepted. */
import type { AcceptedRange } from '../jobs/job-page.ts'
import { type Run, statement } from './statement.ts'

const LAST_SEQ = statement('lastSeq', 'SELECT max(seq) AS seq FROM jobs')
const NEXT_SEQ = statement(
  'nextSeq',
  'SELECT seq, created_at AS "createdAt" FROM jobs WHERE seq >= $1 ORDER BY seq LIMIT 1',
)

/** Jobs from the number `from` on, and before the number `end`. */
export async function seqsOf(run: Run, { since, before }: AcceptedRange): Promise<{ from: number; end: number }> {
  return {
    from: since === undefined ? 0 : await firstSince(run, since),
    end: before === undefined ? Number.MAX_SAFE_INTEGER : await firstSince(run, before),
  }
}

/** The number of the first job that was accepted at this time or later. */
async function firstSince(run: Run, time: number): Promise<number> {
  let low = 0
  let high = ((await run<{ seq: number | null }>(LAST_SEQ, [])).rows[0]?.seq ?? 0) + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [job] = (await run<{ seq: number; createdAt: number }>(NEXT_SEQ, [middle])).rows
    if (job !== undefined && job.createdAt < time) low = job.seq + 1
    else high = middle
  }
  return low
}
