/**
 * One service goes wrong, in every way of `test/http-fixtures/faults.ts`; what another one notices of it: its p99, at a
 * third of the rate it takes when all is quiet, as a ratio to that of a quiet round just before (P4).
 *
 *     npm run bench -- faults [--rounds 3] [--seconds 3] [--only loops,exits]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findLoad } from './load.ts'
import type { Paced } from './paced-client.ts'
import { launch, type Plane } from './plane.ts'

const MOST_RATIO = 2
/** The longest that the control thread may be held up. */
const MOST_STALL_MS = 150
const PATH = '/v1/services/adder/call/add'
/** As patient with crashes as it takes to see them again and again. */
const RESTART = { maxRestarts: 1_000_000, backoffMs: 100, backoffMaxMs: 100 }

/** Two rounds of nothing tell what a ratio is worth on this machine. */
const NOTHING = 'nothing'
const FAULTS = `${NOTHING} throws throwsNull rejects exits loops waits backtracks sleeps
  returnsFunction returnsProxy returnsHostileProxy returnsGetter returnsCycle returnsDeep returnsHuge
  floodsMessages floodsStdout floodsLog`.split(/\s+/)

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: FAULTS.join(',') },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)

interface Round {
  quiet: Paced
  fault: Paced
  faults: number
}

const folder = mkdtempSync(join(tmpdir(), 'threadplane-faults-'))
const workers = join(folder, 'workers')
mkdirSync(workers)
copyFileSync(fileURLToPath(new URL('./workers/adder.js', import.meta.url)), join(workers, 'adder.js'))
copyFileSync(fileURLToPath(new URL('../test/http-fixtures/faults.js', import.meta.url)), join(workers, 'faults.js'))
const plane = await launch(join(folder, 'data'), { workers })
const client = fork(fileURLToPath(new URL('./paced-client.js', import.meta.url)))
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
  const load = findLoad([])
  await load.post(plane.url + PATH, 2)
  const { requests, seconds: taken } = await load.post(plane.url + PATH, 3)
  const perSecond = Math.round(requests / taken / 3)
  const quiet = () => pace(client, perSecond)
  await quiet()
  const [processor] = cpus()
  console.log(`node ${process.version}, ${cpus().length} × ${processor?.model}, load ${loadavg()[0]?.toFixed(1)}`)
  console.log(
    `${perSecond} calls/s, a third of ${Math.round(requests / taken)} (${load.name}); ${rounds} rounds of ${seconds} s`,
  )
  const table: Record<string, object> = {}
  let kept = true
  for (const method of values.only.split(',')) {
    const measured: Round[] = []
    for (let round = 0; round < rounds; round += 1) {
      await settled(plane)
      measured.push({ quiet: await quiet(), ...(await withFault(method, quiet)) })
    }
    const ratios = measured.map(({ quiet, fault }) => fault.p99Ms / quiet.p99Ms)
    const most = Math.max(...measured.map(({ fault }) => fault.mostMs))
    const failed = measured.reduce((sum, { fault }) => sum + fault.failed, 0)
    if (method !== NOTHING && (median(ratios) > MOST_RATIO || failed > 0)) kept = false
    const digits = (value: number) => Number(value.toFixed(2))
    table[method] = {
      ratio: digits(median(ratios)),
      least: digits(Math.min(...ratios)),
      most: digits(Math.max(...ratios)),
      'quiet p99 ms': digits(median(measured.map(({ quiet }) => quiet.p99Ms))),
      'p99 ms': digits(median(measured.map(({ fault }) => fault.p99Ms))),
      'worst ms': Math.round(most),
      failed,
      'faults/s': digits(measured.reduce((sum, { faults }) => sum + faults, 0) / (rounds * seconds)),
    }
    if (most > MOST_STALL_MS) console.log(`${method}: a call took ${Math.round(most)} ms`)
  }
  console.table(table)
  console.log(kept ? 'kept' : `NOT KEPT: a ratio is above ${MOST_RATIO}, or a call failed`)
  process.exitCode = kept ? 0 : 1
}

async function pace(client: ChildProcess, perSecond: number): Promise<Paced> {
  client.send({ url: plane.url + PATH, perSecond, seconds })
  const [paced] = (await once(client, 'message')) as [Paced]
  return paced
}

/** One fault after another, from before the load until after it. */
async function withFault(method: string, load: () => Promise<Paced>): Promise<Omit<Round, 'quiet'>> {
  let done = false
  let faults = 0
  const failing = (async () => {
    while (!done && method !== NOTHING) {
      await (await plane.send(`/v1/services/faults/call/${method}`, '{}')).arrayBuffer()
      faults += 1
    }
  })()
  const fault = await load()
  done = true
  await failing
  return { fault, faults }
}

/** The service is back, and what its threads left is cleared away. */
async function settled(plane: Plane): Promise<void> {
  const { status } = await plane.send('/v1/services/faults/call/echo', '1')
  if (status !== 200) throw new Error(`the service is not back: ${status}`)
  await sleep(500)
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] as number
}
