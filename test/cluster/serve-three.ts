/** Three servers that share a database, in the place of one: clients reach them by a proxy that asks each in turn. */
import { mkdtempSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { newIdentity } from '../../src/cluster/cluster.ts'
import { becomes, Logs, serveOne, type ServeOptions, type TestServer } from '../http-helper.ts'
import { freePort } from '../free-port.ts'
import { RoundRobin } from './round-robin.ts'

const NAMES = ['a', 'b', 'c']

/** What a test asks of the server itself, and not by HTTP, it asks of the first one. The log is that of all. */
export async function serveThree(t: Test, options: ServeOptions, url: string): Promise<TestServer> {
  const { start = true, folder = mkdtempSync(fileURLToPath(new URL('../http-', import.meta.url))), ...more } = options
  const logs = new Logs()
  const schema = `test_${randomBytes(6).toString('hex')}`
  const servers: TestServer[] = []
  for (const name of NAMES) {
    const port = await freePort()
    const node = newIdentity({ name, url: `http://127.0.0.1:${port}`, labels: {} })
    const database = { url, schema, connections: 2, allowUnsafe: true, node }
    const server = await serveOne(t, { ...more, folder, database, start: false }, logs)
    await server.server.nodeApp?.listen({ host: '127.0.0.1', port })
    servers.push(server)
  }
  // Where the test starts them itself, they are started on all servers.
  for (const { server } of servers) server.registry.starting.resolve()
  if (start) await Promise.all(servers.map(({ server }) => server.registry.startAll()))
  for (const { server } of servers) {
    await becomes('all to know all', () => {
      const peers = server.membership?.peers ?? []
      const told = (name: string) =>
        peers.every(({ load }) => load.get(name)?.state === server.registry.find(name)?.state)
      return peers.length === 2 && Object.keys(options.services).every(told)
    })
  }
  const proxy = await RoundRobin.start(t, servers)
  const first = servers[0] as TestServer
  const closes = servers.map(({ close }) => close)
  first.port = proxy.port
  first.close = async () => {
    for (const close of closes) await close()
  }
  return first
}
