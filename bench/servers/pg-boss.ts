/** The part of pg-boss that is used here, with types. */
import { importPeer } from '../harness/peers.ts'
import type { Numbers } from '../pools/pools.ts'

interface Boss {
  on: (event: 'error', listener: (error: Error) => void) => void
  start: () => Promise<unknown>
  createQueue: (name: string) => Promise<void>
  send: (name: string, data: Numbers) => Promise<string | null>
  insert: (jobs: { name: string; data: Numbers }[]) => Promise<unknown>
  work: (
    name: string,
    options: { batchSize: number; priority: boolean; pollingIntervalSeconds: number },
    run: (jobs: { data: Numbers }[]) => Promise<unknown>,
  ) => Promise<string>
  notifyWorker: (id: string) => void
  getQueueSize: (name: string, options?: { before: 'completed' | 'cancelled' }) => Promise<number>
}

const { default: PgBoss } = (await importPeer('pg-boss')) as { default: new (url: string) => Boss }

export const QUEUE = 'adder'

/** Starts it on DATABASE_URL, with an empty queue. */
export async function startBoss(): Promise<Boss> {
  const boss = new PgBoss(process.env.DATABASE_URL ?? '')
  boss.on('error', (error) => {
    throw error
  })
  await boss.start()
  await boss.createQueue(QUEUE)
  return boss
}
