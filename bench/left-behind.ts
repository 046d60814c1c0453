/**
 * Counts what a process holds (memory, threads, open files, active handles), and fails if that grows over many cycles.
 */
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const MAX_GROWTH_BYTES = 20 * 1024 * 1024
/** The resources of an ended thread are closed in later turns of the event loop. */
const SETTLE_MS = 1_000

export interface Held {
  rss: number
  heapUsed: number
  threads: number
  openFiles: number
  resources: Record<string, number>
}

export async function countHeld(): Promise<Held> {
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

/**
 * Runs `cycle` as many times as `cycles` says, and compares what the process holds at the end with what it held after
 * `warmUp` cycles: before that, V8 is still sizing its heap. Sets the exit code to 1 if anything has grown.
 */
export async function leavesNothing(cycle: (count: number) => Promise<void>, cycles: number, warmUp: number) {
  const since = performance.now()
  for (let done = 1; done <= warmUp; done += 1) await cycle(done)
  const before = await countHeld()
  report(warmUp, before)
  for (let done = warmUp + 1; done <= cycles; done += 1) {
    await cycle(done)
    if (done % 100 === 0 && done < cycles) report(done, await countHeld())
  }
  const after = await countHeld()
  report(cycles, after)
  console.log(`${((performance.now() - since) / cycles).toFixed(1)} ms a cycle`)
  const grown = growth(before, after)
  if (grown.length === 0) return
  console.error(`grown: ${grown.join(', ')}`)
  process.exitCode = 1
}

function growth(before: Held, after: Held): string[] {
  const grown: string[] = []
  const compare = (what: string, from: number, to: number, allowed = 0) => {
    if (to - from > allowed) grown.push(`${what} from ${from} to ${to}`)
  }
  compare('RSS', before.rss, after.rss, MAX_GROWTH_BYTES)
  compare('threads', before.threads, after.threads)
  compare('open files', before.openFiles, after.openFiles)
  for (const [name, count] of Object.entries(after.resources)) compare(name, before.resources[name] ?? 0, count)
  return grown
}

function report(after: number, { rss, heapUsed, threads, openFiles, resources }: Held): void {
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
  const what = JSON.stringify(resources)
  console.log(
    `${after} cycles: RSS ${mebibytes(rss)}, heap ${mebibytes(heapUsed)}, ${threads} threads, ${openFiles} files, ${what}`,
  )
}
