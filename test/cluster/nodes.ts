/**
 * Several servers in this process that are the nodes of one cluster. Each knows the others by a list, with their real
 * load; tests change what it says.
 */
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { type Cluster, newIdentity, type NodeIdentity, type Peer, type ServiceLoad } from '../../src/cluster/cluster.ts'
import { loadOf } from '../../src/cluster/service-load.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { serve, type ServeOptions, type TestServer } from '../http-helper.ts'

/** The other nodes, as the test says. */
export class ListedPeers implements Cluster {
  readonly self: NodeIdentity
  peers: readonly Peer[] = []
  readonly holdsLease = true
  isLeaving = false
  readonly #listeners: (() => void)[] = []

  constructor(name: string) {
    this.self = newIdentity({ name, url: 'http://127.0.0.1:0', labels: {} })
  }

  onChanged(listener: () => void): void {
    this.#listeners.push(listener)
  }

  list(...peers: Peer[]): void {
    this.peers = peers
    for (const listener of this.#listeners) listener()
  }
}

export interface TestNode extends TestServer {
  readonly cluster: ListedPeers
  readonly nodePort: number
  /** This node, as another one sees it. */
  readonly peer: Peer
}

/** Serves fixtures on a node of its own. */
export async function serveNode(t: Test, name: string, options: ServeOptions): Promise<TestNode> {
  const cluster = new ListedPeers(name)
  const server = await serve(t, { ...options, cluster })
  const { nodeApp, registry } = server.server
  if (nodeApp === undefined) throw new Error('a node has a listener for nodes')
  await nodeApp.listen({ host: '127.0.0.1', port: 0 })
  const { port } = nodeApp.server.address() as AddressInfo
  const scheme = options.nodeTls === undefined ? 'http' : 'https'
  const peer = peerOf({ ...cluster.self, url: `${scheme}://127.0.0.1:${port}` }, registry)
  return Object.assign(server, { cluster, nodePort: port, peer })
}

/** A first node without services, and a second one that has them. */
export async function servePair(
  t: Test,
  services: Record<string, string>,
  options: Partial<ServeOptions> = {},
): Promise<{ first: TestNode; second: TestNode }> {
  const second = await serveNode(t, 'second', { services, ...options })
  const { nodeTls: _, ...more } = options
  const first = await serveNode(t, 'first', { services: {}, ...more })
  first.cluster.list(second.peer)
  second.cluster.list(first.peer)
  return { first, second }
}

function peerOf(identity: NodeIdentity, registry: Registry): Peer {
  return {
    ...identity,
    modules: new Map(),
    isLeaving: false,
    get load() {
      return new Map(registry.services.map((service) => [service.name, loadOf(service)]))
    },
  }
}

/** A peer that runs services with no load, wherever its URL leads. */
export function idlePeer(name: string, url: string, ...services: string[]): Peer {
  const load: ServiceLoad = { state: 'running', threads: 1, concurrency: 8, running: 0, waiting: 0, room: 100 }
  return {
    ...newIdentity({ name, url, labels: {} }),
    modules: new Map(),
    isLeaving: false,
    load: new Map(services.map((service) => [service, load])),
  }
}
