/**
 * Makes one service fail, in every way of `test/http-fixtures/faults.ts`, and measures what another service notices:
 * its p99 at a third of the rate that it takes when all is quiet, as a ratio to its p99 in the quiet rounds in between
 * (P4).
 *
 *     npm run bench -- faults [--rounds 12] [--seconds 2] [--every 1000] [--only loops,exits]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeLoad, Load } from './harness/load.ts'
import type { Paced } from './paced-client.ts'
import { launch, type Plane } from './plane.ts'

const MOST_RATIO = 2
/** Calls that take longer than this are printed: the control thread was blocked for too long. */
const MOST_STALL_MS = 150
const PATH = '/v1/services/adder/call/add'
/** So many restarts that the service is never given up. */
const RESTART = { maxRestarts: 1_000_000, backoffMs: 100, backoffMaxMs: 100 }

/** Quiet rounds against quiet rounds: they show how much a ratio varies on this machine. */
const NOTHING = 'nothing'
const FAULTS = [
  NOTHING,
  'throws',
  'throwsNull',
  'rejects',
  'exits',
  'loops',
  'waits',
  'backtracks',
  'sleeps',
  'returnsFunction',
  'returnsProxy',
  'returnsHostileProxy',
  'returnsGetter',
  'returnsCycle',
  'returnsDeep',
  'returnsHuge',
  'floodsMessages',
  'floodsStdout',
  'floodsLog',
]

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    rounds: { type: 'string', default: '12' },
    seconds: { type: 'string', default: '2' },
    // Twelve times what the default restart budget allows.
    every: { type: 'string', default: '1000' },
    only: { type: 'string', default: FAULTS.join(',') },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
/** Least time from the begin of one fault to the begin of the next. */
const faultEveryMs = Number(values.every)

interface Round {
  quiet: Paced
  fault: Paced
  faults: number
}

const folder = mkdtempSync(join(tmpdir(), 'threadplane-faults-'))
const workers = join(folder, 'workers')
mkdirSync(workers)
// As in a package that has installed threadplane. Without `node_modules`, Node 20 runs the resolve hook of each thread
// in a second thread.
mkdirSync(join(folder, 'node_modules'))
symlinkSync(fileURLToPath(new URL('../..', import.meta.url)), join(folder, 'node_modules', 'threadplane'))
symlinkSync(fileURLToPath(new URL('../../node_modules/zod', import.meta.url)), join(folder, 'node_modules', 'zod'))
copyFileSync(fileURLToPath(new URL('./workers/adder.js', import.meta.url)), join(workers, 'adder.js'))
copyFileSync(fileURLToPath(new URL('../test/http-fixtures/faults.js', import.meta.url)), join(workers, 'faults.js'))
const plane = await launch(join(folder, 'data'), { workers })
const client = fork(fileURLToPath(new URL('./paced-client.js', import.meta.url)), [plane.url + PATH])
try {
  await fetch(`${plane.url}/v1/services/faults`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ module: 'faults.js', restart: RESTART }),
  })
  await measureAll()
} finally {
  client.disconnect()
  await plane.kill()
  rmSync(folder, { recursive: true })
}

async function measureAll(): Promise<void> {
  const load = new Load([])
  await load.post(plane.url + PATH, 2)
  const [processor] = cpus()
  console.log(`node ${process.version}, ${cpus().length} × ${processor?.model}, load ${loadavg()[0]?.toFixed(1)}`)
  console.log(
    `a third of the rate that ${describeLoad()} reach; ${rounds} rounds of ${seconds} s, a fault every ${faultEveryMs} ms`,
  )
  const table: Record<string, object> = {}
  let passed = true
  for (const method of values.only.split(',')) {
    const measured: Round[] = []
    // Measured again for each fault: the speed of the machine changes within minutes.
    const { requests, seconds: taken } = await load.post(plane.url + PATH, 3)
    const perSecond = Math.round(requests / taken / 3)
    const quiet = () => pace(client, perSecond)
    // Not counted: the first fault of a kind makes V8 compile its code, and recompile other code.
    await settled(plane)
    await withFault(method, quiet)
    for (let round = 0; round < rounds; round += 1) {
      await settled(plane)
      const unharmed = await quiet()
      await settled(plane)
      measured.push({ quiet: unharmed, ...(await withFault(method, quiet)) })
    }
    const unharmed = distribution(measured.map(({ quiet }) => quiet))
    const harmed = distribution(measured.map(({ fault }) => fault))
    const ratio = harmed.p99Ms / unharmed.p99Ms
    const failed = measured.reduce((sum, { fault }) => sum + fault.failed, 0)
    if (method !== NOTHING && (ratio > MOST_RATIO || failed > 0)) passed = false
    const digits = (value: number) => Number(value.toFixed(2))
    table[method] = {
      'calls/s': perSecond,
      ratio: digits(ratio),
      'quiet p50 ms': digits(unharmed.p50Ms),
      'p50 ms': digits(harmed.p50Ms),
      'quiet p99 ms': digits(unharmed.p99Ms),
      'p99 ms': digits(harmed.p99Ms),
      'quiet worst ms': Math.round(unharmed.mostMs),
      'worst ms': Math.round(harmed.mostMs),
      failed,
      'faults/s': digits(measured.reduce((sum, { faults }) => sum + faults, 0) / (rounds * seconds)),
    }
    if (harmed.mostMs > MOST_STALL_MS) console.log(`${method}: a call took ${Math.round(harmed.mostMs)} ms`)
  }
  load.close()
  console.table(table)
  console.log(passed ? 'passed' : `FAILED: a ratio is above ${MOST_RATIO}, or a call failed`)
  process.exitCode = passed ? 0 : 1
}

async function pace(client: ChildProcess, perSecond: number): Promise<Paced> {
  client.send({ perSecond, seconds })
  const [paced] = (await once(client, 'message')) as [Paced]
  return paced
}

/** Causes one fault after another while the load runs. */
async function withFault(method: string, load: () => Promise<Paced>): Promise<Omit<Round, 'quiet'>> {
  let done = false
  let faults = 0
  const failing = (async () => {
    while (!done && method !== NOTHING) {
      const answer = plane.send(`/v1/services/faults/call/${method}`, '{}').then((response) => response.arrayBuffer())
      await Promise.all([answer, sleep(faultEveryMs)])
      faults += 1
    }
  })()
  const fault = await load()
  done = true
  await failing
  return { fault, faults }
}

/** Waits until the failing service answers again, and until its ended threads have been cleaned up. */
async function settled(plane: Plane): Promise<void> {
  const { status } = await plane.send('/v1/services/faults/call/echo', '1')
  if (status !== 200) throw new Error(`the failing service does not answer again: ${status}`)
  await sleep(500)
}

/** Over all rounds together: the p99 of a single round depends on whether the machine paused in that round. */
function distribution(rounds: Paced[]) {
  const sorted = Float64Array.from(rounds.flatMap(({ latenciesMs }) => latenciesMs)).sort()
  const at = (share: number) => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN
  return { p50Ms: at(0.5), p99Ms: at(0.99), mostMs: at(1) }
}
