/** BullMQ with a backlog, which is drained when the parent sends a message. */
import { once } from 'node:events'
import { Queue, work } from './bullmq.ts'
import { startRedis } from './redis.ts'

const BULK = 1_000

const [jobs = 0, concurrency = 1] = process.argv.slice(2).map(Number)
const connection = await startRedis(process.env.FOLDER ?? '', 'durable')
const queue = new Queue('drained', { connection })
const bulk = Array.from({ length: BULK }, () => ({ name: 'add', data: { a: 2, b: 3 } }))
for (let added = 0; added < jobs; added += BULK) await queue.addBulk(bulk)

process.send?.('preloaded')
await once(process, 'message')
const since = performance.now()
const worker = work('drained', connection, concurrency)
await new Promise<void>((resolve) => {
  let left = jobs
  worker.on('completed', () => {
    left -= 1
    if (left === 0) resolve()
  })
})
const seconds = (performance.now() - since) / 1_000
const { completed = 0 } = await queue.getJobCounts('completed')
process.send?.({ seconds, completed })
