/**
 * A call through BullMQ: the route adds a job, a worker in another process runs it, and the route waits for the result.
 */
import { fork } from 'node:child_process'
import { Queue, QueueEvents, work } from './bullmq.ts'
import { type Connection, startRedis } from './redis.ts'
import { serveSum } from './sum-route.ts'

/** As many as there are connections. */
const CONCURRENCY = 64
/** With `removeOnComplete: true` a job may be removed before `waitUntilFinished` is called, which then fails. */
const COMPLETED_KEPT = { count: 10_000 }

const { BULLMQ_WORKER, FOLDER = '' } = process.env
if (BULLMQ_WORKER === undefined) {
  const connection = await startRedis(FOLDER, 'volatile')
  const worker = fork(new URL(import.meta.url), { env: { ...process.env, BULLMQ_WORKER: JSON.stringify(connection) } })
  worker.once('exit', (code) => {
    throw new Error(`the worker ended with code ${code}`)
  })
  const queue = new Queue('adder', { connection, defaultJobOptions: { removeOnComplete: COMPLETED_KEPT } })
  // Each request that waits adds a listener.
  queue.setMaxListeners(2 * CONCURRENCY)
  const events = new QueueEvents('adder', { connection })
  await events.waitUntilReady()
  await serveSum(async (numbers) => (await queue.add('add', numbers)).waitUntilFinished(events))
} else {
  work('adder', JSON.parse(BULLMQ_WORKER) as Connection, CONCURRENCY)
  process.once('disconnect', () => process.exit())
}
