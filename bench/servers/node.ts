/**
 * One node of a cluster whose members are a fixed list, for `hop.ts`, which forks it: it reports its addresses, is told
 * the other nodes, and reports the CPU time that it has used whenever it is asked.
 *
 *     node dist/bench/servers/node.js <data folder> <workers folder>
 */
import type { AddressInfo } from 'node:net'
import { type Cluster, newIdentity, type Peer } from '../../src/cluster/cluster.ts'
import { createLogger } from '../../src/log.ts'
import { readConfig } from '../../src/config.ts'
import { buildServer } from '../../src/server/build-server.ts'

export interface NodeReport {
  url: string
  /** As other nodes reach it. */
  node: Pick<Peer, 'id' | 'name' | 'url' | 'token'>
}

export type ToNode = { peers: NodeReport['node'][] } | 'cpu'

/** What every node is said to run. */
const SERVICE = 'adder'

class FixedPeers implements Cluster {
  readonly self = newIdentity({ name: `node-${process.pid}`, url: '', labels: {} })
  readonly holdsLease = true
  peers: readonly Peer[] = []
  #listener = () => {}

  onChanged(listener: () => void): void {
    this.#listener = listener
  }

  set(nodes: NodeReport['node'][]): void {
    const idle = { state: 'running', threads: 1, concurrency: 2, running: 0, waiting: 0, room: 1_000 } as const
    const load = new Map([[SERVICE, idle]])
    this.peers = nodes.map((node) => ({ ...node, labels: {}, modules: new Map(), load }))
    this.#listener()
  }
}

const [, , data = '', workers = ''] = process.argv
const cluster = new FixedPeers()
const log = createLogger(readConfig({ THREADPLANE_LOG_LEVEL: 'silent' }))
const { app, nodeApp, registry } = await buildServer({ data, workers, log, cluster })
await app.listen({ host: '127.0.0.1', port: 0 })
await nodeApp?.listen({ host: '127.0.0.1', port: 0 })
await registry.startAll()
const urlOf = (address: unknown) => `http://127.0.0.1:${(address as AddressInfo).port}`
const { id, name, token } = cluster.self
process.on('message', (message: ToNode) => {
  if (message !== 'cpu') return cluster.set(message.peers)
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
process.on('disconnect', () => void app.close())
const report: NodeReport = {
  url: urlOf(app.server.address()),
  node: { id, name, token, url: urlOf(nodeApp?.server.address()) },
}
process.send?.(report)
