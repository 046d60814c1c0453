/** A process that starts threads of one kind: one after the other, or many that stay. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { QueueServiceThread } from '../../src/threads/queue-service-thread.ts'

/** Until what is allocated at a start only is given back. */
const SETTLE_MS = 500

export type ThreadStartsOrder = { kind: 'start' } | { kind: 'hold'; threads: number }

/** Starts one; the answer stops it. */
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

/** Beyond the first one, which brings what all have in common. */
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
