/** Starts a raw `Worker` for each module of a folder, as many at a time as there are processors, and keeps them. */
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'

const [folder = ''] = process.argv.slice(2)
const waiting = readdirSync(folder).filter((name) => name.endsWith('.mjs'))

async function startWaiting(): Promise<void> {
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const workerData = pathToFileURL(join(folder, name)).href
    const worker = new Worker(new URL('./raw-module-thread.js', import.meta.url), { workerData })
    await once(worker, 'message')
  }
}

process.once('message', () => {
  void Promise.all(Array.from({ length: availableParallelism() }, startWaiting)).then(() => process.send?.('started'))
})
process.once('disconnect', () => process.exit())
process.send?.('ready')
