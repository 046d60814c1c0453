/** What a user would write instead of a cast: a route that adds to a BullMQ queue. */
import { serveAdd } from './add-route.ts'
import { Queue } from './bullmq.ts'
import { startRedis } from './redis.ts'

const queue = new Queue('adder', { connection: await startRedis(process.env.FOLDER ?? '', 'durable') })
await serveAdd(
  async (numbers) => (await queue.add('add', numbers)).id,
  async () => (await queue.getJobCounts('waiting')).waiting ?? 0,
)
