/** Jobs that were accepted in a range of time, as a range of their numbers: jobs are numbered as they are accepted. */
import type { AcceptedRange } from '../jobs/job-page.ts'
import type { DatabaseFile } from './database-file.ts'

const NEXT = 'SELECT seq, createdAt FROM jobs WHERE seq >= ? ORDER BY seq LIMIT 1'

/** Jobs from the number `from` on, and before the number `end`. */
export function seqsOf(file: DatabaseFile, { since, before }: AcceptedRange): { from: number; end: number } {
  return {
    from: since === undefined ? 0 : firstSince(file, since),
    end: before === undefined ? Number.MAX_SAFE_INTEGER : firstSince(file, before),
  }
}

/** The number of the first job that was accepted at this time or later. */
function firstSince(file: DatabaseFile, time: number): number {
  let low = 0
  let high = (file.get<{ seq: number | null }>('SELECT max(seq) AS seq FROM jobs')?.seq ?? 0) + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const job = file.get<{ seq: number; createdAt: number }>(NEXT, middle)
    if (job !== undefined && job.createdAt < time) low = job.seq + 1
    else high = middle
  }
  return low
}
