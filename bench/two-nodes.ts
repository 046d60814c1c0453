/**
 * How much more two nodes do than one where threads are the limit: a method that holds its thread for 10 ms. Clients call
 * the nodes in turns, as behind a balancer; then a backlog of casts is drained.
 *
 *     npm run bench -- two-nodes [--jobs 1000]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freePort } from '../test/free-port.ts'
import { Postgres } from '../test/cluster/postgres.ts'
import { eventually } from './harness/eventually.ts'
import { launch, type Plane } from './plane.ts'

/** The aim. */
const LEAST = 1.8
const CLIENTS = 16
/** Of each job, on average: five times what it takes on one thread. */
const MOST_JOB_MS = 50
const WORKERS = fileURLToPath(new URL('./workers/waits/', import.meta.url))
const SERVICE = '/v1/services/waits'

const { values } = parseArgs({ args: process.argv.slice(3), options: { jobs: { type: 'string', default: '1000' } } })
const jobs = Number(values.jobs)

const folder = await mkdtemp(join(tmpdir(), 'threadplane-two-nodes-'))
const ends: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })]
let kept = true
try {
  const postgres = await Postgres.start({ teardown: (end) => void ends.unshift(end) }, { fsync: true })
  const nodes: Plane[] = []
  const rates: Record<'calls' | 'casts', number>[] = []
  for (const name of ['a', 'b']) {
    nodes.push(await start(name, postgres.url))
    const [first] = nodes as [Plane]
    await untilRunning(first, nodes.length)
    // What is compiled late, and connections.
    await calls(nodes, jobs / 4)
    rates.push({ calls: await calls(nodes, jobs), casts: await casts(first, jobs) })
  }
  const [one, two] = rates as [Record<'calls' | 'casts', number>, Record<'calls' | 'casts', number>]
  for (const kind of ['calls', 'casts'] as const) {
    const ratio = two[kind] / one[kind]
    kept &&= ratio >= LEAST
    const verdict = ratio >= LEAST ? 'met' : 'NOT MET'
    console.log(
      `${kind} a second: ${one[kind].toFixed(0)} on one node, ${two[kind].toFixed(0)} on two: ${ratio.toFixed(2)}`,
    )
    console.log(`aim: at least ${LEAST}: ${verdict}`)
  }
} finally {
  for (const end of ends) await end()
}
process.exitCode = kept ? 0 : 1

async function start(name: string, url: string): Promise<Plane> {
  const port = await freePort()
  const environment = {
    THREADPLANE_DATABASE_URL: url,
    THREADPLANE_NODE_NAME: name,
    THREADPLANE_NODE_PORT: String(port),
    THREADPLANE_NODE_URL: `http://127.0.0.1:${port}`,
  }
  const plane = await launch(join(folder, name), { workers: WORKERS, environment })
  ends.unshift(() => plane.kill())
  return plane
}

async function untilRunning({ url }: Plane, nodes: number): Promise<void> {
  await eventually(`the service to run on ${nodes} nodes`, async () => {
    const { items } = (await (await fetch(`${url}/v1/nodes`)).json()) as { items: { services: { state: string }[] }[] }
    const running = items.filter(({ services }) => services.some(({ state }) => state === 'running'))
    return running.length === nodes
  })
}

/** Calls a second. */
async function calls(nodes: Plane[], count: number): Promise<number> {
  let left = count
  const client = async () => {
    while (left-- > 0) {
      const plane = nodes[left % nodes.length] as Plane
      const answer = await plane.send(`${SERVICE}/call/wait`, '{}')
      await answer.arrayBuffer()
      if (!answer.ok) throw new Error(`a call was answered with ${answer.status}`)
    }
  }
  const since = performance.now()
  await Promise.all(Array.from({ length: CLIENTS }, client))
  return (1_000 * count) / (performance.now() - since)
}

/** Jobs that are finished in a second, from the end of a pause. */
async function casts(plane: Plane, count: number): Promise<number> {
  await plane.send(`${SERVICE}/pause`, '')
  const lines = '{}\n'.repeat(count)
  const accepted = await plane.send(`${SERVICE}/cast/wait`, lines, 'application/x-ndjson')
  if (accepted.status !== 207) throw new Error(`casts were answered with ${accepted.status}`)
  await accepted.arrayBuffer()
  const since = performance.now()
  await plane.send(`${SERVICE}/resume`, '')
  await eventually('the jobs to finish', async () => (await unfinished(plane)) === 0, count * MOST_JOB_MS)
  return (1_000 * count) / (performance.now() - since)
}

async function unfinished({ url }: Plane): Promise<number> {
  const { total } = (await (await fetch(`${url}/v1/jobs/counts`)).json()) as { total: Record<string, number> }
  return (total['queued'] ?? 0) + (total['running'] ?? 0)
}
