/** Starts threads of one kind, in a process of its own: one after the other, or several that stay. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { QueueServiceThread } from '../../src/threads/queue-service-thread.ts'

/** Wait before memory is read: what only a start needs is given back in this time. */
const SETTLE_MS = 500

export type ThreadStartsOrder = { kind: 'start' } | { kind: 'hold'; threads: number }

/** Starts a thread; resolves with the function that stops it. */
type Start = () => Promise<() => Promise<unknown>>

async function worker(file: string): ReturnType<Start> {
  const started = new Worker(new URL(file, import.meta.url))
  await once(started, 'message')
  return () => started.terminate()
}

export const STARTS: Record<string, Start> = {
  'raw Worker, same module and zod': () => worker('./raw-adder-thread.js'),
  'raw Worker, nothing imported': () => worker('./bare-thread.js'),
  threadplane: async () => {
    const module = new URL('../workers/adder.js', import.meta.url)
    const thread = new QueueServiceThread({ name: 'adder', module })
    await thread.start()
    return () => thread.stop()
  },
}

async function timeOne(start: Start): Promise<{ ms: number }> {
  const since = performance.now()
  const stop = await start()
  const ms = performance.now() - since
  await stop()
  return { ms }
}

/** Memory of each thread beyond the first one, which also loads what all threads share. */
async function hold(start: Start, threads: number): Promise<{ bytesEach: number }> {
  await start()
  const before = await rss()
  await Promise.all(Array.from({ length: threads }, start))
  return { bytesEach: ((await rss()) - before) / threads }
}

async function rss(): Promise<number> {
  await sleep(SETTLE_MS)
  globalThis.gc?.()
  return process.memoryUsage.rss()
}

if (process.send !== undefined) {
  const start = STARTS[process.argv[2] ?? '']
  if (start === undefined) throw new Error(`there is no way to start ${process.argv[2]}`)
  process.on('message', (order: ThreadStartsOrder) => {
    const done = order.kind === 'start' ? timeOne(start) : hold(start, order.threads)
    void done.then((measured) => process.send?.(measured))
  })
  process.once('disconnect', () => process.exit())
  process.send('ready')
}
