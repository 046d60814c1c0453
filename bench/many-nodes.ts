/**
 * What the beats of many nodes cost the database: stores in this process, each a node that tells of 20 services, over a
 * PostgreSQL of their own. It prints the share of one processor that all processes of PostgreSQL use.
 *
 *     npm run bench -- nodes [--seconds 20]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { newIdentity, type ServiceLoad } from '../src/cluster/cluster.ts'
import { PgStore } from '../src/cluster/pg-store.ts'
import { Postgres } from '../test/cluster/postgres.ts'
import { DAY_MS, log } from '../test/sqlite/jobs.ts'
import { eventually } from './harness/eventually.ts'
import { cpuMsOf } from './harness/measured-process.ts'

/** The aim: of one processor, with the greatest number of nodes. */
const MOST_SHARE = 0.25
const NODES = [1, 10, 30, 100]
const SERVICES = 20
const LOAD: ServiceLoad = { state: 'running', threads: 1, concurrency: 16, running: 3, waiting: 7, room: 1_017 }

const { values } = parseArgs({ args: process.argv.slice(3), options: { seconds: { type: 'string', default: '20' } } })
const ms = Number(values.seconds) * 1_000

const ends: (() => unknown)[] = []
let share = 0
try {
  const settings = { max_connections: String(3 * Math.max(...NODES)) }
  const postgres = await Postgres.start({ teardown: (end) => void ends.unshift(end) }, { fsync: true, settings })
  const schema = postgres.schema()
  const stores: PgStore[] = []
  ends.unshift(() => Promise.all(stores.map((store) => store.close())))
  for (const count of NODES) {
    while (stores.length < count) stores.push(await addNode(postgres.url, schema, stores.length))
    await eventually('each node to know all others', () =>
      stores.every(({ membership }) => membership.peers.length >= count - 1),
    )
    const before = cpuMsOf(postgres.pid)
    const since = performance.now()
    await sleep(ms)
    share = (cpuMsOf(postgres.pid) - before) / (performance.now() - since)
    console.log(
      `${String(count).padStart(4)} nodes with ${SERVICES} services: ${(100 * share).toFixed(1)} % of a processor`,
    )
  }
} finally {
  for (const end of ends) await end()
}
console.log(share > MOST_SHARE ? `NOT kept: more than ${100 * MOST_SHARE} %` : `kept: at most ${100 * MOST_SHARE} %`)
process.exitCode = share > MOST_SHARE ? 1 : 0

async function addNode(url: string, schema: string, number: number): Promise<PgStore> {
  const node = newIdentity({ name: `node-${number}`, url: `http://10.0.0.${number}:9090`, labels: { zone: 'a' } })
  const store = await PgStore.open({ url, schema, connections: 1, node, version: 'bench', keepJobsMs: DAY_MS, log })
  const services = Array.from({ length: SERVICES }, (_, at) => `service-${at}`)
  const load = new Map(services.map((name) => [name, LOAD]))
  const modules = new Map(services.map((name) => [name, 'XCYXbSzEaobxi6Pn']))
  store.membership.report = () => ({ load, modules, services, waitedFor: [] })
  return store
}
