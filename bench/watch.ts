/**
 * What those who watch a server cost its calls: 100 streams of events, of which ten do not read, and a scrape of the
 * metrics every second. Quiet rounds and watched rounds take turns at one server; the result is a ratio.
 *
 *     npm run bench -- watch [--rounds 8] [--seconds 2]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { describeLoad, Load } from './harness/load.ts'
import { median } from './harness/rounds.ts'
import { launch } from './plane.ts'

/** The aims. */
const LEAST_RATE = 0.95
const MOST_P99 = 1.2
const MOST_MIB = 50

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { rounds: { type: 'string', default: '8' }, seconds: { type: 'string', default: '2' } },
})

const data = await mkdtemp(join(tmpdir(), 'threadplane-watch-'))
const plane = await launch(data)
const load = new Load([])
const watchers = new Worker(new URL('./watchers.js', import.meta.url), { workerData: { url: plane.url } })
try {
  console.log(describeLoad())
  const call = () => load.post(`${plane.url}/v1/services/adder/call/add`, Number(values.seconds))
  await call()
  const rates: number[] = []
  const p99s: number[] = []
  const sizes: number[] = []
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const quiet = await call()
    const before = plane.rssBytes
    watchers.postMessage('watch')
    await sleep(500)
    const watched = await call()
    sizes.push((plane.rssBytes - before) / 2 ** 20)
    watchers.postMessage('leave')
    await sleep(500)
    rates.push(watched.requests / watched.seconds / (quiet.requests / quiet.seconds))
    p99s.push(watched.p99Ms / quiet.p99Ms)
  }
  const [rate, p99, mib] = [median(rates), median(p99s), median(sizes)]
  console.log(`calls a second, watched ÷ quiet: ${rate.toFixed(2)} (${rates.map((one) => one.toFixed(2)).join(' ')})`)
  console.log(`p99, watched ÷ quiet: ${p99.toFixed(2)} (${p99s.map((one) => one.toFixed(2)).join(' ')})`)
  console.log(`more memory: ${mib.toFixed(0)} MiB`)
  const kept = rate >= LEAST_RATE && p99 <= MOST_P99 && mib <= MOST_MIB
  console.log(kept ? 'kept' : 'NOT kept')
  process.exitCode = kept ? 0 : 1
} finally {
  load.close()
  await watchers.terminate()
  await plane.kill()
  await rm(data, { recursive: true })
}
