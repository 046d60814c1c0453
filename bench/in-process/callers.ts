/** Ways to run a function in a thread of the same process: threadplane, the pools, and plain messages. */
import { Worker } from 'node:worker_threads'
import { type Add, POOLS, type Sum } from '../pools/pools.ts'
import { QueueServiceThread } from '../../src/threads/queue-service-thread.ts'
import type adder from '../workers/adder.ts'

/** A message to a thread, a message back, and a promise: the least that a round trip can cost. */
async function pingPong(): Promise<Add> {
  const worker = new Worker(new URL('./ping-pong-thread.js', import.meta.url))
  const waiting = new Map<number, (sum: Sum) => void>()
  let last = 0
  worker.on('message', ({ id, sum }: Sum & { id: number }) => {
    waiting.get(id)?.({ sum })
    waiting.delete(id)
  })
  return ({ a, b }) =>
    new Promise((resolve) => {
      last += 1
      waiting.set(last, resolve)
      worker.postMessage({ id: last, a, b })
    })
}

async function callThread(): Promise<Add> {
  const module = new URL('../workers/adder.js', import.meta.url)
  const thread = new QueueServiceThread<typeof adder>({ name: 'adder', module })
  await thread.start()
  return (numbers) => thread.callThread('add', numbers)
}

/** By name; `peer` is the package that a caller needs. */
export const CALLERS: Record<string, { peer?: string; open: () => Promise<Add> }> = {
  'raw postMessage': { open: pingPong },
  threadplane: { open: callThread },
  ...POOLS,
}
