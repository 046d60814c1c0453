/**
 * `call` through threadplane, side by side with bare Fastify and with Fastify in front of Piscina: all in one run, in
 * rounds that take turns. The machine's speed varies by more than what is to be told apart, so only ratios within a
 * round count.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Contender, type ContenderOptions } from './contender.ts'
import { findLoad, type Measured } from './load.ts'
import { BENCH, installPeers, peerVersion } from './peers.ts'

interface Round extends Measured {
  cpuMs: number
}

interface Spread {
  median: number
  min: number
  max: number
}

interface Result {
  name: string
  requestsPerSecond: Spread
  /** To bare Fastify in the same round. */
  ratio: Spread
  cpuMicrosecondsPerRequest: Spread
  cpuRatio: Spread
  p99Ms: Spread
}

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    'one-core': { type: 'boolean', default: false },
    rounds: { type: 'string', default: '9' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string', default: 'threadplane,piscina' },
  },
})
const oneCore = values['one-core']
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const wanted = values.only.split(',')

const onCore = (core: number): string[] => (oneCore ? ['taskset', '-c', String(core)] : [])
const data = mkdtempSync(`${tmpdir()}/threadplane-bench-`)
const contenders: Contender[] = []
try {
  installPeers(['piscina', ...(hasWrk() ? [] : ['autocannon'])])
  const load = findLoad(onCore(1))
  for (const options of contenderOptions()) contenders.push(await Contender.start(options))

  const measured = await takeTurns(async (contender) => {
    const before = contender.cpuMs
    const round = await load.post(contender.url, seconds)
    if (round.failed > 0) throw new Error(`${contender.name}: ${round.failed} of ${round.requests} requests failed`)
    return { ...round, cpuMs: contender.cpuMs - before }
  })
  const report = {
    machine: machine(),
    load: load.name,
    cores: oneCore ? 1 : 2,
    rounds,
    seconds,
    results: summarise(measured),
  }
  print(report)
  mkdirSync(`${BENCH}results`, { recursive: true })
  writeFileSync(`${BENCH}results/call${oneCore ? '-one-core' : ''}.json`, `${JSON.stringify(report, null, 2)}\n`)
} finally {
  await Promise.all(contenders.map((contender) => contender.stop()))
  rmSync(data, { recursive: true, force: true })
}

function contenderOptions(): ContenderOptions[] {
  const prefix = onCore(0)
  const found: ContenderOptions[] = [{ name: 'fastify', program: './servers/inline.js', path: '/add', prefix }]
  if (wanted.includes('threadplane')) {
    found.push({
      name: 'threadplane',
      program: '../src/main.js',
      args: ['serve', fileURLToPath(new URL('./workers/', import.meta.url))],
      path: '/v1/services/adder/call/add',
      portVariable: 'THREADPLANE_PORT',
      environment: { THREADPLANE_DATA: data },
      prefix,
    })
  }
  if (wanted.includes('piscina')) {
    if (peerVersion('piscina') === undefined) console.log('skipped: piscina is not installed in bench/peers')
    else found.push({ name: 'fastify + piscina', program: './servers/piscina.js', path: '/add', prefix })
  }
  return found
}

/** A B C A B C …; the first round warms up and is not counted. */
async function takeTurns(measure: (contender: Contender) => Promise<Round>): Promise<Map<string, Round[]>> {
  const measured = new Map<string, Round[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round <= rounds; round += 1) {
    for (const contender of contenders) {
      const result = await measure(contender)
      if (round > 0) measured.get(contender.name)?.push(result)
    }
  }
  return measured
}

function summarise(measured: Map<string, Round[]>): Result[] {
  const bare = measured.get('fastify') as Round[]
  const rate = ({ requests, seconds }: Round) => requests / seconds
  const cost = ({ cpuMs, requests }: Round) => (cpuMs * 1_000) / requests
  return [...measured].map(([name, all]) => ({
    name,
    requestsPerSecond: spread(all.map(rate)),
    ratio: spread(all.map((round, index) => rate(round) / rate(bare[index] as Round))),
    cpuMicrosecondsPerRequest: spread(all.map(cost)),
    cpuRatio: spread(all.map((round, index) => cost(round) / cost(bare[index] as Round))),
    p99Ms: spread(all.map(({ p99Ms }) => p99Ms)),
  }))
}

function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number }
}

function machine(): Record<string, string> {
  const root = JSON.parse(readFileSync(`${BENCH}../package.json`, 'utf8')) as { version: string }
  const fastify = JSON.parse(readFileSync(`${BENCH}../node_modules/fastify/package.json`, 'utf8')) as {
    version: string
  }
  const processors = cpus()
  return {
    threadplane: root.version,
    node: process.version,
    fastify: fastify.version,
    piscina: peerVersion('piscina') ?? 'missing',
    processor: `${processors.length} × ${processors[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    loadAverage: loadavg()
      .map((load) => load.toFixed(1))
      .join(' '),
  }
}

function print(report: { machine: Record<string, string>; load: string; results: Result[] }): void {
  const digits = (value: number) => (value >= 100 ? String(Math.round(value)) : value.toFixed(value >= 10 ? 1 : 2))
  const cell = ({ median, min, max }: Spread) => `${digits(median)} (${digits(min)}–${digits(max)})`
  for (const [what, is] of Object.entries({ ...report.machine, load: report.load })) console.log(`${what}: ${is}`)
  const cores = oneCore ? 'servers on one core, load on the other' : 'both cores'
  console.log(`${cores}; ${rounds} rounds of ${seconds} s, 64 connections; median (min–max), ratios within a round`)
  console.table(
    Object.fromEntries(
      report.results.map((result) => [
        result.name,
        {
          'calls/s': cell(result.requestsPerSecond),
          ratio: cell(result.ratio),
          'CPU µs/call': cell(result.cpuMicrosecondsPerRequest),
          'CPU ratio': cell(result.cpuRatio),
          'p99 ms': cell(result.p99Ms),
        },
      ]),
    ),
  )
}

function hasWrk(): boolean {
  return spawnSync('wrk', ['-v']).error === undefined
}
