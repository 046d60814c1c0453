/**
 * pg-boss drains a backlog.
 *
 *     pg-boss-drain.js <jobs>
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { measureDrain } from './backlog.ts'
import { QUEUE, startBoss } from './pg-boss.ts'

/** The fastest that was tried by hand: batches of 100 to 2,000, 1 to 8 workers; then without priorities. */
const WORK = { batchSize: 500, priority: false, pollingIntervalSeconds: 0.5 }
const POLL_MS = 20

const jobs = Number(process.argv[2])
const boss = await startBoss()
const unfinished = () => boss.getQueueSize(QUEUE, { before: 'completed' })
await measureDrain(jobs, {
  add: (bulk) => boss.insert(bulk.map((data) => ({ name: QUEUE, data }))),
  drain: async () => {
    let left = jobs
    const id: string = await boss.work(QUEUE, WORK, async (batch) => {
      const sums = batch.map(({ data: { a, b } }) => ({ sum: a + b }))
      left -= batch.length
      // Fetch the next batch at once, instead of after the polling interval.
      boss.notifyWorker(id)
      return sums
    })
    while (left > 0 || (await unfinished()) > 0) await sleep(POLL_MS)
  },
  succeeded: async () => (await boss.getQueueSize(QUEUE, { before: 'cancelled' })) - (await unfinished()),
})
