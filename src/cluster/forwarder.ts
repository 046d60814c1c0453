/**
 * Sends calls to other nodes: holds the connections to them, and forgets those of nodes that are gone.
 *
 * Loaded only by a server that is a node of a cluster.
 */
import { type Dispatcher, Pool } from 'undici'
import type { Cluster, Peer } from './cluster.ts'
import { type CallToForward, ForwardedCall } from './forwarded-call.ts'
import { type LocalServices, NodeRouter } from './router.ts'

/** Connections to one peer. Each carries one call at a time; further calls wait for one, within their deadlines. */
const MAX_CONNECTIONS = 512
const CONNECT_WITHIN_MS = 1_000
const IDLE_MS = 30_000

export class Forwarder {
  readonly #cluster: Cluster
  readonly #router: NodeRouter
  /** By the id of the peer. */
  readonly #pools = new Map<string, Pool>()

  constructor(cluster: Cluster, local: LocalServices) {
    this.#cluster = cluster
    this.#router = new NodeRouter(cluster, local)
    cluster.onChanged(() => this.#closeGone())
  }

  /** See {@link NodeRouter.route}. */
  route(service: string): 'here' | Peer | undefined {
    return this.#router.route(service)
  }

  /** Answers the client, whatever happens. */
  forward(peer: Peer, call: CallToForward): void {
    new ForwardedCall(call, this.#router, { to: (other) => this.#poolOf(other) }).start(peer)
  }

  /** Ends all calls that are under way. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
  }

  #poolOf({ id, url }: Peer): Dispatcher {
    let pool = this.#pools.get(id)
    if (pool === undefined) {
      pool = new Pool(url, {
        connections: MAX_CONNECTIONS,
        pipelining: 1,
        connect: { timeout: CONNECT_WITHIN_MS },
        keepAliveTimeout: IDLE_MS,
      })
      this.#pools.set(id, pool)
    }
    return pool
  }

  /** Calls that are under way on a node that is not in the list any more go on to their deadlines. */
  #closeGone(): void {
    const alive = new Set(this.#cluster.peers.map(({ id }) => id))
    for (const [id, pool] of this.#pools) {
      if (alive.has(id)) continue
      this.#pools.delete(id)
      pool.close().catch(() => {})
    }
  }
}
