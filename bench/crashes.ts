/**
 * Checks that 2,000 crashes and restarts of a service, in the ways that methods cause them, leave no thread, handle or
 * memory behind. Then checks a crash loop: it may use as many restarts as its budget has, and hardly any processor time
 * after that.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { hasCode } from '../src/contract/errors.ts'
import { QueueServiceThread } from '../src/threads/queue-service-thread.ts'
import { OneForOneSupervisor } from '../src/supervision/supervisor.ts'
import type faults from '../test/http-fixtures/faults.ts'
import { cpuMsOf } from './harness/measured-process.ts'
import { leavesNothing } from './left-behind.ts'
import { launch, type Plane } from './plane.ts'

const WARM_UP = 200
const WAYS = ['exits', 'rejects', 'loops', 'waits'] as const
const MAX_RESTARTS = 10
const MOST_CPU = 0.05

interface Status {
  state: string
  restartCount: number
}

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { cycles: { type: 'string', default: '2000' } },
})
const cycles = Number(values.cycles)

console.log(`${cycles} crashes and restarts; the first ${WARM_UP} are the warm-up`)
await crash()
await crashLoop()

async function crash(): Promise<void> {
  const policy = { maxRestarts: 1_000_000, periodMs: 60_000, backoffMs: 1, backoffMaxMs: 1 }
  const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
  const service = new QueueServiceThread<typeof faults>({
    name: 'faults',
    module: new URL('../test/http-fixtures/faults.js', import.meta.url),
  })
  supervisor.add(service)
  await supervisor.start()
  const cycle = async (count: number) => {
    const way = WAYS[count % WAYS.length] as (typeof WAYS)[number]
    const failed = await service.callThread(way, null).catch((error: unknown) => error)
    if (!hasCode(failed, 'THREAD_DIED') && !hasCode(failed, 'DEADLINE_EXCEEDED'))
      throw new Error(way, { cause: failed })
    await service.callThread('echo', count)
  }
  await leavesNothing(cycle, cycles, WARM_UP)
  await supervisor.stop()
}

async function crashLoop(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'threadplane-crashes-'))
  const workers = join(folder, 'workers')
  mkdirSync(workers)
  copyFileSync(
    fileURLToPath(new URL('../test/http-fixtures/crash-loops.js', import.meta.url)),
    join(workers, 'loops.js'),
  )
  const plane = await launch(join(folder, 'data'), { workers })
  try {
    const restart = { maxRestarts: MAX_RESTARTS, periodMs: 600_000, backoffMs: 1, backoffMaxMs: 1 }
    await fetch(`${plane.url}/v1/services/loops`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ module: 'loops.js', restart }),
    })
    const { restartCount: earlier } = await failed(plane)
    await plane.send('/v1/services/loops/start', '{}')
    const { restartCount } = await failed(plane)
    const before = cpuMsOf(plane.pid)
    await sleep(5_000)
    const share = (cpuMsOf(plane.pid) - before) / 5_000
    const cpu = `${(share * 100).toFixed(1)} % of a processor afterwards`
    const restarts = restartCount - earlier
    console.log(`a crash loop: ${restarts} restarts of ${MAX_RESTARTS}, then failed; ${cpu}`)
    if (restarts !== MAX_RESTARTS || share > MOST_CPU) process.exitCode = 1
  } finally {
    await plane.kill()
    rmSync(folder, { recursive: true })
  }
}

async function failed(plane: Plane): Promise<{ restartCount: number }> {
  for (;;) {
    const { state, restartCount } = (await (await plane.send('/v1/services/loops')).json()) as Status
    if (state === 'failed') return { restartCount }
    await sleep(100)
  }
}
