/**
 * BullMQ drains a backlog.
 *
 *     bullmq-drain.js <jobs> <jobs at once>
 */
import { measureDrain } from './backlog.ts'
import { Queue, work } from './bullmq.ts'
import { startRedis } from './redis.ts'

const NAME = 'drained'

const [jobs = 0, concurrency = 1] = process.argv.slice(2).map(Number)
const connection = await startRedis(process.env.FOLDER ?? '', 'durable')
const queue = new Queue(NAME, { connection })
await measureDrain(jobs, {
  add: (bulk) => queue.addBulk(bulk.map((data) => ({ name: 'add', data }))),
  drain: () =>
    new Promise((resolve) => {
      let left = jobs
      work(NAME, connection, concurrency).on('completed', () => {
        left -= 1
        if (left === 0) resolve()
      })
    }),
  succeeded: async () => (await queue.getJobCounts('completed')).completed ?? 0,
})
