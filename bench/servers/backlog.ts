/** A queue with a backlog, in a process that is forked: it makes the backlog, and drains it when the parent says so. */
import { once } from 'node:events'
import type { Numbers } from '../pools/pools.ts'

/** The backlog is a multiple of this. */
export const BULK = 1_000
const DRAINED_WITHIN_MS = 120_000

export interface Backlog {
  /** Stores one job for each. */
  add: (bulk: Numbers[]) => Promise<unknown>
  /** Runs the jobs, and resolves when the outcomes of all are stored. */
  drain: () => Promise<void>
  /** Counts the jobs that have succeeded, as they are stored. */
  succeeded: () => Promise<number>
}

export interface DrainReport {
  seconds: number
  succeeded: number
}

export async function measureDrain(jobs: number, { add, drain, succeeded }: Backlog): Promise<void> {
  const bulk = Array.from({ length: BULK }, () => ({ a: 2, b: 3 }))
  for (let added = 0; added < jobs; added += BULK) await add(bulk)
  process.send?.('made')
  await once(process, 'message')
  const deadline = setTimeout(() => {
    throw new Error(`the backlog is not drained after ${DRAINED_WITHIN_MS / 1_000} s`)
  }, DRAINED_WITHIN_MS)
  const since = performance.now()
  await drain()
  const seconds = (performance.now() - since) / 1_000
  clearTimeout(deadline)
  const report: DrainReport = { seconds, succeeded: await succeeded() }
  process.send?.(report)
}
