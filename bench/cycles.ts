/** 1,000 starts and stops of a service: afterwards no thread, handle or memory may be left. */
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { QueueServiceThread } from '../src/service/queue-service-thread.ts'
import type adder from './workers/adder.ts'

/** Until then V8 is still sizing its heap. */
const WARM_UP = 200
const MAX_GROWTH_BYTES = 20 * 1024 * 1024
/** What a thread leaves behind when it ends is closed in later turns of the event loop. */
const SETTLE_MS = 1_000

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { cycles: { type: 'string', default: '1000' } },
})
const cycles = Number(values.cycles)

const service = new QueueServiceThread<typeof adder>({
  name: 'adder',
  module: new URL('./workers/adder.js', import.meta.url),
})

async function cycle(): Promise<void> {
  await service.start()
  const { sum } = await service.callThread('add', { a: 2, b: 3 })
  if (sum !== 5) throw new Error(`2 + 3 is ${sum}`)
  await service.stop()
}

interface Left {
  rss: number
  heapUsed: number
  threads: number
  openFiles: number
  resources: Record<string, number>
}

async function lookAround(): Promise<Left> {
  await sleep(SETTLE_MS)
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  const resources: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  return {
    rss,
    heapUsed,
    threads: readdirSync('/proc/self/task').length,
    openFiles: readdirSync('/proc/self/fd').length,
    resources,
  }
}

function report(after: number, { rss, heapUsed, threads, openFiles, resources }: Left): void {
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
  const what = JSON.stringify(resources)
  console.log(
    `${after} cycles: RSS ${mebibytes(rss)}, heap ${mebibytes(heapUsed)}, ${threads} threads, ${openFiles} files, ${what}`,
  )
}

// Writing opens a handle of its own where the output is a pipe: before anything is counted.
console.log(`${cycles} starts and stops, counted from the ${WARM_UP}th on`)
const since = performance.now()
for (let done = 1; done <= WARM_UP; done += 1) await cycle()
const before = await lookAround()
report(WARM_UP, before)
for (let done = WARM_UP + 1; done <= cycles; done += 1) {
  await cycle()
  if (done % 100 === 0 && done < cycles) report(done, await lookAround())
}
const after = await lookAround()
report(cycles, after)
console.log(`${((performance.now() - since) / cycles).toFixed(1)} ms a cycle`)

const grown = [
  after.rss - before.rss > MAX_GROWTH_BYTES && `RSS by ${after.rss - before.rss} bytes`,
  after.threads > before.threads && `threads from ${before.threads} to ${after.threads}`,
  after.openFiles > before.openFiles && `open files from ${before.openFiles} to ${after.openFiles}`,
  ...Object.entries(after.resources).map(
    ([name, count]) =>
      count > (before.resources[name] ?? 0) && `${name} from ${before.resources[name] ?? 0} to ${count}`,
  ),
].filter((what) => what !== false)
if (grown.length > 0) {
  console.error(`grown: ${grown.join(', ')}`)
  process.exitCode = 1
}
