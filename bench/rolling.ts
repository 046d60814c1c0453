/**
 * Restarts three nodes one after the other, as docs/cluster.md says, while clients call and cast through a proxy: each is
 * stopped by SIGTERM, and started again when it has ended, the last one with a changed module. No request may fail, also of
 * clients that send each one once, and no job may be lost or run twice. It needs PostgreSQL.
 *
 *     npm run bench -- rolling [--rounds 2] [--clients 20] [--close-delay 3s]
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { noPostgres } from '../test/cluster/postgres.ts'
import { Fleet } from './cluster/fleet.ts'
import { outcomesOf } from './cluster/outcomes.ts'
import { Proxy } from './cluster/proxy.ts'
import { ProxyLoad } from './cluster/proxy-load.ts'
import { RunsFile } from './harness/kept-jobs.ts'
import { warnOfNoise } from './harness/machine.ts'

/** Between two restarts: the proxy is to find the node that has come back. */
const REST_MS = 2_500

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    rounds: { type: 'string', default: '2' },
    clients: { type: 'string', default: '20' },
    'close-delay': { type: 'string', default: '3s' },
  },
})

/** A copy of the modules, in which one has changed. It is beside them, so that it finds what they import. */
async function changedModules(fleet: Fleet): Promise<string> {
  const folder = await mkdtemp(fileURLToPath(new URL('./workers-', import.meta.url)))
  fleet.teardown(() => rm(folder, { recursive: true, force: true }))
  await cp(fileURLToPath(new URL('./workers/', import.meta.url)), folder, { recursive: true })
  const file = join(folder, 'adder.js')
  await writeFile(file, (await readFile(file, 'utf8')).replace('Adds two numbers', 'Adds two numbers, and is new'))
  return folder
}

if (noPostgres !== false) throw new Error(noPostgres)
warnOfNoise()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const fleet = await Fleet.start({ network: 'direct', environment: { THREADPLANE_CLOSE_DELAY: values['close-delay'] } })
try {
  const changed = await changedModules(fleet)
  const proxy = await Proxy.start(fleet.nodes.map(({ url }) => url))
  fleet.teardown(() => proxy.close())
  const runs = new RunsFile(join(fleet.folder, 'runs'))
  const load = new ProxyLoad(proxy.url, runs.path, Number(values.clients))
  const stopsMs: number[] = []
  try {
    await sleep(REST_MS)
    for (let round = 1; round <= Number(values.rounds); round += 1) {
      for (const node of fleet.nodes) {
        const isLast = node === fleet.nodes.at(-1)
        load.phase = `${node.name} stops`
        stopsMs.push(await fleet.stop(node))
        load.phase = `${node.name} starts`
        if (isLast) node.workers = round % 2 === 1 ? changed : undefined
        await fleet.launch(node)
        load.phase = `${node.name} is ready`
        await sleep(REST_MS)
      }
    }
  } finally {
    await load.end()
  }
  const outcomes = await outcomesOf(fleet, load.acknowledged, runs)
  const failures = [load.ofPackage, load.plain].map((tally) => [...tally.failures.values()].reduce((a, b) => a + b, 0))
  const rows: [what: string, found: number][] = [
    ["requests of the package's client failed", failures[0] as number],
    ['requests of the plain client failed', failures[1] as number],
    ['acknowledged jobs lost', outcomes.lost],
    ['jobs that have not ended exactly once', outcomes.notEndedOnce],
    ['jobs that ran more often than recorded', outcomes.ranTooOften],
    ['jobs that ran more than once', outcomes.ranAgain],
  ]
  for (const [what, found] of rows) console.log(`${what.padEnd(42)} ${found}  ${found === 0 ? 'passed' : 'NOT MET'}`)
  const { ofPackage, plain, acknowledged } = load
  console.log(`${ofPackage.requests + plain.requests} requests, ${acknowledged.size} jobs, ${stopsMs.length} restarts`)
  console.log(`slowest request: package ${Math.round(ofPackage.slowestMs)} ms, plain ${Math.round(plain.slowestMs)} ms`)
  console.log(`each stop, ms: ${stopsMs.map(Math.round).join(' ')}`)
  for (const { failures } of [ofPackage, plain])
    for (const [text, count] of failures) console.log(`  ${count} × ${text}`)
  if (rows.some(([, found]) => found > 0)) process.exitCode = 1
} finally {
  await fleet.end()
}
