/**
 * Casts a million jobs of 1 KiB to a paused service. Checks that the jobs wait on disk and not in memory (P5), that the
 * last ones are accepted as fast as the first, that lists stay fast while more jobs arrive, and that after a restart
 * the server is ready at once and runs the jobs.
 *
 *     node dist/bench/backlog.js [casts]
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { launch, type Plane } from './plane.ts'

const LINES = 1_000
const BATCHES_AT_ONCE = 4
const CLIENTS = 64
/** Share of each step that is cast one by one; the rest is cast in batches. */
const SINGLES = 0.1
const STEPS = 10

const payload = JSON.stringify({ a: 2, b: 3, pad: 'x'.repeat(1_000) })
const batch = `${payload}\n`.repeat(LINES)
const agent = new Agent({ keepAlive: true })

async function post(plane: Plane, body: string, contentType: string): Promise<void> {
  const headers = { 'content-type': contentType }
  const sent = request(`${plane.url}/v1/services/adder/cast/add`, { agent, method: 'POST', headers })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const answer = await text(response)
  if ((response.statusCode ?? 500) >= 300) throw new Error(`${response.statusCode}: ${answer.slice(0, 500)}`)
}

async function castMany(plane: Plane, casts: number): Promise<{ batched: number; single: number }> {
  const singles = Math.round(casts * SINGLES)
  const rate = async (count: number, at: number, one: () => Promise<void>) => {
    let left = count
    const since = performance.now()
    const client = async () => {
      for (left -= 1; left >= 0; left -= 1) await one()
    }
    await Promise.all(Array.from({ length: at }, client))
    return count / ((performance.now() - since) / 1_000)
  }
  const batched = await rate((casts - singles) / LINES, BATCHES_AT_ONCE, () =>
    post(plane, batch, 'application/x-ndjson'),
  )
  const single = await rate(singles, CLIENTS, () => post(plane, payload, 'application/json'))
  return { batched: Math.round(batched * LINES), single: Math.round(single) }
}

const FILTERS = [
  '',
  'service=adder',
  'method=add',
  'state=queued',
  'state=failed',
  'service=adder&state=queued',
  'method=none',
]
FILTERS.push('service=adder&method=none&state=queued', 'service=adder&method=add&state=scheduled', 'service=none')

/** The median and the longest time of each list while casts go on, in milliseconds. */
async function listTimes(plane: Plane): Promise<Record<string, string>> {
  let done = false
  const casting = (async () => {
    while (!done) await post(plane, payload, 'application/json')
  })()
  const times: Record<string, string> = {}
  for (const filter of FILTERS) {
    const taken: number[] = []
    for (let count = 0; count < 15; count += 1) {
      const since = performance.now()
      await (await plane.send(`/v1/jobs?${filter}&limit=100`.replace('?&', '?'))).text()
      taken.push(performance.now() - since)
    }
    taken.sort((a, b) => a - b)
    times[filter] = `${Math.round(taken[7] as number)} (${Math.round(taken.at(-1) as number)})`
  }
  done = true
  await casting
  return times
}

export async function backlog(casts: number): Promise<boolean> {
  const data = await mkdtemp(join(tmpdir(), 'threadplane-backlog-'))
  let plane = await launch(data)
  try {
    await plane.send('/v1/services/adder/pause', '{}')
    await castMany(plane, 20_000)
    const rssBefore = plane.rssBytes
    const rates: { batched: number; single: number }[] = []
    let rssMost = 0
    for (let step = 0; step < STEPS; step += 1) {
      rates.push(await castMany(plane, casts / STEPS))
      rssMost = Math.max(rssMost, plane.rssBytes)
    }
    console.table(rates)
    const grownMiB = Math.round((rssMost - rssBefore) / 2 ** 20)
    console.log(`RSS ${Math.round(rssBefore / 2 ** 20)} MiB before, grown by at most ${grownMiB} MiB`)
    const lists = await listTimes(plane)
    console.log('time of lists while casts go on, ms: median (longest)', lists)

    await plane.kill()
    plane = await launch(data)
    const since = performance.now()
    const readyMs = Math.round(plane.readyMs)
    let firstMs = 0
    for (;;) {
      const { items } = (await (await plane.send('/v1/jobs?state=succeeded&limit=1')).json()) as { items: unknown[] }
      if (items.length > 0) break
    }
    firstMs = Math.round(performance.now() - since)
    console.log(`restart after kill -9: ready in ${readyMs} ms, the first job succeeded ${firstMs} ms later`)
    const slowest = Math.max(...Object.values(lists).map((time) => Number.parseInt(time, 10)))
    const [first, last] = [rates[0], rates.at(-1)] as [(typeof rates)[0], (typeof rates)[0]]
    const slower = Math.min(last.batched / first.batched, last.single / first.single)
    return grownMiB <= 150 && readyMs <= 2_000 && slowest <= 50 && slower >= 0.8
  } finally {
    agent.destroy()
    await plane.kill()
    await rm(data, { recursive: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const passed = await backlog(Number(process.argv[2] ?? 1_000_000))
  console.log(passed ? 'passed' : 'FAILED')
  process.exitCode = passed ? 0 : 1
}
