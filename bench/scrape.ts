/**
 * How long a scrape of many services holds the event loop, and so all other requests. The delay is the least of some tries,
 * as a busy machine only adds to it.
 *
 *     npm run bench -- scrape
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { longestDelay, watchesLoop } from './harness/loop-watch.ts'
import { launch } from './plane.ts'

const WORKERS = fileURLToPath(new URL('./workers/scraped/', import.meta.url))
const SERVICES = 500
const TRIES = 10
/** The aim. */
const MOST_MS = 10

const data = await mkdtemp(join(tmpdir(), 'threadplane-scrape-'))
const file = join(data, 'loop-delay')
const plane = await launch(data, { workers: WORKERS, environment: watchesLoop(file) })
let kept = true

async function held(title: string, read: () => Promise<number>): Promise<void> {
  const delays: number[] = []
  let bytes = 0
  for (let at = 0; at < TRIES; at += 1) {
    await longestDelay(plane, file)
    bytes = await read()
    await sleep(50)
    delays.push(await longestDelay(plane, file))
  }
  delays.sort((a, b) => a - b)
  const [least = 0] = delays
  kept &&= least <= MOST_MS
  const all = delays.map((each) => each.toFixed(1)).join(' ')
  console.log(`${least > MOST_MS ? '✗' : ' '} ${least.toFixed(1)} ms  (${all})  ${bytes} bytes  ${title}`)
}

try {
  for (let at = 0; at < SERVICES; at += 1) {
    const body = JSON.stringify({ module: 'ten.js', autostart: false })
    const headers = { 'content-type': 'application/json' }
    const { status } = await fetch(`${plane.url}/v1/services/service${at}`, { method: 'PUT', headers, body })
    if (status !== 201) throw new Error(`service${at}: ${status}`)
  }
  const read = async (path: string, accept = '*/*') => {
    const response = await fetch(`${plane.url}${path}`, { headers: { accept } })
    return (await response.arrayBuffer()).byteLength
  }
  // The first ones compile the code.
  for (let at = 0; at < TRIES; at += 1) await read('/metrics')
  await held('GET /livez, to compare', () => read('/livez'))
  await held(`GET /metrics of ${SERVICES} services with 10 methods each`, () => read('/metrics'))
  await held('the same as OpenMetrics', () => read('/metrics', 'application/openmetrics-text; version=1.0.0'))
} finally {
  await plane.kill()
  await rm(data, { recursive: true })
}
console.log(kept ? `kept: no scrape holds the event loop for more than ${MOST_MS} ms` : 'NOT kept')
process.exitCode = kept ? 0 : 1
