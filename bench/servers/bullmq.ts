/** The part of BullMQ that is used here, with types. */
import { importPeer } from '../harness/peers.ts'
import type { Numbers, Sum } from '../pools/pools.ts'
import type { Connection } from './redis.ts'

interface Options {
  connection: Connection
}

interface Bull {
  Queue: new (
    name: string,
    options: Options & { defaultJobOptions?: object },
  ) => {
    add: (name: string, data: unknown) => Promise<{ id: string; waitUntilFinished: (events: object) => Promise<Sum> }>
    addBulk: (jobs: { name: string; data: unknown }[]) => Promise<unknown>
    setMaxListeners: (count: number) => void
    getJobCounts: (...states: string[]) => Promise<Record<string, number>>
  }
  QueueEvents: new (name: string, options: Options) => { waitUntilReady: () => Promise<unknown> }
  Worker: new (
    name: string,
    run: (job: { data: Numbers }) => Promise<Sum>,
    options: Options & { concurrency: number },
  ) => { on: (event: string, listener: () => void) => void }
}

export const { Queue, QueueEvents, Worker } = (await importPeer('bullmq')) as Bull

/** Starts a worker, whose jobs add two numbers. */
export function work(name: string, connection: Connection, concurrency: number): InstanceType<Bull['Worker']> {
  return new Worker(name, async ({ data: { a, b } }) => ({ sum: a + b }), { connection, concurrency })
}
