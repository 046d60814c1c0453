/**
 * Accepted casts a second, against the same server without a journal and BullMQ on Redis with appendfsync always, in
 * rounds that take turns; and a preloaded backlog drained, against BullMQ with one worker of the same concurrency.
 *
 *     node dist/bench/cast.js [rounds] [seconds] [jobs to drain]
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Contender, freePort } from './contender.ts'
import { findLoad } from './load.ts'
import { installPeers, peerVersion, requirePeer } from './peers.ts'
import { launch } from './plane.ts'

/** What a service runs at once by default. */
const CONCURRENCY = 2
const LINES = 1_000

const [rounds = 5, seconds = 2, drained = 100_000] = process.argv.slice(2).map(Number)
const workers = fileURLToPath(new URL('./workers/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'threadplane-cast-'))
const redis = await startRedis()
try {
  await acceptance()
  await drain()
} finally {
  if (redis !== undefined) {
    redis.child.kill('SIGTERM')
    await once(redis.child, 'exit')
  }
  rmSync(folder, { recursive: true, force: true })
}

async function startRedis(): Promise<{ child: ChildProcess; port: number } | undefined> {
  if (spawnSync('redis-server', ['--version']).error !== undefined) {
    console.log('skipped: BullMQ, for redis-server is missing (apt-get install redis-server)')
    return undefined
  }
  installPeers(['bullmq'])
  if (peerVersion('bullmq') === undefined) {
    console.log('skipped: BullMQ, for it is not installed in bench/peers')
    return undefined
  }
  const port = await freePort()
  const dir = join(folder, 'redis')
  mkdirSync(dir)
  const settings = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--maxmemory-policy', 'noeviction']
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, ...settings]
  const child = spawn('redis-server', options, { stdio: 'ignore' })
  return { child, port }
}

async function acceptance(): Promise<void> {
  const contenders: Contender[] = []
  try {
    const common = { path: '/v1/services/adder/cast/add', prefix: [], answers: /"id":/ }
    const start = async (options: Parameters<typeof Contender.start>[0]) =>
      contenders.push(await Contender.start(options))
    await start({
      ...common,
      name: 'no journal',
      program: './servers/unkept.js',
      args: [workers, join(folder, 'unkept')],
    })
    await start({
      ...common,
      name: 'threadplane',
      program: '../src/main.js',
      args: ['serve', workers],
      portVariable: 'THREADPLANE_PORT',
      environment: { THREADPLANE_DATA: join(folder, 'kept') },
    })
    if (redis !== undefined) {
      const environment = { REDIS_PORT: String(redis.port) }
      await start({ ...common, name: 'bullmq add', program: './servers/bullmq.js', path: '/add', environment })
    }
    // Accepting is what is measured: nobody runs what was accepted, on either side.
    for (const { name, url } of contenders) {
      if (name !== 'bullmq add') await fetch(url.replace(/cast\/add$/, 'pause'), { method: 'POST' })
    }
    const load = findLoad([])
    const rates = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
    for (let round = 0; round <= rounds; round += 1) {
      for (const { name, url } of contenders) {
        const { requests, seconds: took, failed } = await load.post(url, seconds)
        if (failed > 0) throw new Error(`${name}: ${failed} of ${requests} requests failed`)
        if (round > 0) rates.get(name)?.push(requests / took)
      }
    }
    const kept = rates.get('threadplane') ?? []
    console.log(`accepted casts a second, ${rounds} rounds of ${seconds} s, ${load.name}; ratios within a round`)
    for (const [name, all] of rates) {
      const ratio = median(kept.map((rate, index) => rate / (all[index] ?? 0)))
      console.log(`${name}: ${Math.round(median(all))}/s; threadplane is ${ratio.toFixed(2)} times as fast`)
    }
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()))
  }
}

async function drain(): Promise<void> {
  const own = await drainThreadplane()
  console.log(`drained: threadplane ${Math.round(own)} jobs/s`)
  if (redis === undefined) return
  const peer = await drainBull(redis.port)
  console.log(`drained: BullMQ ${Math.round(peer)} jobs/s; threadplane is ${(own / peer).toFixed(2)} times as fast`)
}

async function drainThreadplane(): Promise<number> {
  const plane = await launch(join(folder, 'drained'))
  try {
    await plane.send('/v1/services/adder/pause', '{}')
    const batch = '{"a":2,"b":3}\n'.repeat(LINES)
    for (let count = 0; count < drained; count += LINES) {
      await (await plane.send('/v1/services/adder/cast/add', batch, 'application/x-ndjson')).arrayBuffer()
    }
    const since = performance.now()
    await plane.send('/v1/services/adder/resume', '{}')
    for (;;) {
      const states = ['queued', 'scheduled', 'running'].map(async (state) => {
        const response = await plane.send(`/v1/jobs?state=${state}&limit=1`)
        return ((await response.json()) as { items: unknown[] }).items.length
      })
      if ((await Promise.all(states)).every((count) => count === 0)) break
      await sleep(20)
    }
    return drained / ((performance.now() - since) / 1_000)
  } finally {
    await plane.stop()
  }
}

interface Bull {
  Queue: new (
    name: string,
    options: unknown,
  ) => { addBulk: (jobs: unknown[]) => Promise<unknown>; close: () => Promise<void> }
  Worker: new (
    name: string,
    run: (job: { data: { a: number; b: number } }) => Promise<unknown>,
    options: unknown,
  ) => { on: (event: string, listener: () => void) => void; close: () => Promise<void> }
}

async function drainBull(port: number): Promise<number> {
  const { Queue, Worker } = requirePeer('bullmq') as Bull
  const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null }
  const queue = new Queue('drained', { connection })
  const jobs = Array.from({ length: LINES }, () => ({ name: 'add', data: { a: 2, b: 3 } }))
  for (let count = 0; count < drained; count += LINES) await queue.addBulk(jobs)
  const since = performance.now()
  const worker = new Worker('drained', async ({ data: { a, b } }) => ({ sum: a + b }), {
    connection,
    concurrency: CONCURRENCY,
  })
  await new Promise<void>((resolve) => {
    let left = drained
    worker.on('completed', () => {
      left -= 1
      if (left === 0) resolve()
    })
  })
  const rate = drained / ((performance.now() - since) / 1_000)
  await worker.close()
  await queue.close()
  return rate
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
