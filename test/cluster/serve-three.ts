/** Three servers that share a database, in the place of one: clients reach them by a proxy that asks each in turn. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { newIdentity } from '../../src/cluster/cluster.ts'
import { timings } from '../../src/cluster/timings.ts'
import { becomes, Logs, serveOne, type ServeOptions, type TestServer } from '../http-helper.ts'
import { freePort } from '../free-port.ts'
import { RoundRobin } from './round-robin.ts'

// On a busy machine other nodes take longer than a user should wait for them.
Object.assign(timings, { followedWithinMs: 60_000, newsWithinMs: 30_000, showWithinMs: 20_000, beatWithinMs: 3_000 })

const NAMES = ['a', 'b', 'c']
/** The services run on the first node alone: what a test looks at in its own process is there. */
const ON_FIRST = { placement: { labels: { runs: 'services' } } }

/** What a test asks of the server itself, and not by HTTP, it asks of the first one. The log is that of all. */
export async function serveThree(t: Test, options: ServeOptions, url: string): Promise<TestServer> {
  const { start = true, folder = mkdtempSync(fileURLToPath(new URL('../http-', import.meta.url))), ...more } = options
  const logs = new Logs()
  // A server that is started again on its folder finds its jobs again.
  const schema = `test_${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
  const servers: TestServer[] = []
  if (process.env.TEST_PLACED !== undefined) placeOnFirst(folder, Object.keys(options.services))
  for (const name of NAMES) {
    const port = await freePort()
    const node = newIdentity({
      name,
      url: `http://127.0.0.1:${port}`,
      labels: name === 'a' ? ON_FIRST.placement.labels : {},
    })
    const database = { url, schema, connections: 2, allowUnsafe: true, node }
    const server = await serveOne(t, { ...more, folder, database, start: false }, logs)
    await server.server.nodeApp?.listen({ host: '127.0.0.1', port })
    servers.push(server)
    // Where the test starts them itself: else each node would, as soon as it knows the others.
    if (!start && name === 'a') {
      const { registrations } = server.server.registry.options
      for (const service of Object.keys(options.services))
        await registrations.update(service, (known) => ({ ...known, desiredState: 'stopped' }))
    }
  }
  for (const { server } of servers) server.registry.starting.resolve()
  if (start) await Promise.all(servers.map(({ server }) => server.registry.startAll()))
  const stateOn = (name: string, service: string) => servers[NAMES.indexOf(name)]?.server.registry.find(service)?.state
  for (const { server } of servers) {
    await becomes('all to know all', () => {
      const peers = server.membership?.peers ?? []
      const told = (service: string) =>
        peers.every(({ name, load }) => load.get(service)?.state === stateOn(name, service))
      return peers.length === 2 && Object.keys(options.services).every(told)
    })
  }
  const proxy = await RoundRobin.start(
    t,
    servers.map(({ port }) => port),
  )
  const first = servers[0] as TestServer
  const closes = servers.map(({ close }) => close)
  first.port = proxy.port
  if (process.env.TEST_PLACED !== undefined) first.registered = ON_FIRST
  first.close = async () => {
    for (const close of closes) await close()
  }
  return first
}

/** Declares where the services of the folder run. */
function placeOnFirst(folder: string, services: string[]): void {
  const workers = join(folder, 'workers')
  mkdirSync(workers, { recursive: true })
  const declared = Object.fromEntries(services.map((name) => [name, { options: ON_FIRST }]))
  writeFileSync(join(workers, 'threadplane.json'), JSON.stringify({ services: declared }))
}
