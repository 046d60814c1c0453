/** The connections of this node to the other ones: a pool for each, closed when its node has gone. */
import { Pool } from 'undici'
import type { Cluster, Peer } from './cluster.ts'

/** Connections to one peer. Each carries one request at a time; further ones wait for one, within their deadlines. */
const MAX_CONNECTIONS = 512
const CONNECT_WITHIN_MS = 1_000
const IDLE_MS = 30_000

export class PeerConnections {
  /** By the id of the peer. */
  readonly #pools = new Map<string, Pool>()

  constructor(cluster: Cluster) {
    cluster.onChanged(() => this.#closeGone(cluster))
  }

  to({ id, url }: Peer): Pool {
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

  /** Ends all requests that are under way. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
  }

  /** Requests that are under way on a node that is not in the list any more go on to their deadlines. */
  #closeGone({ peers }: Cluster): void {
    const alive = new Set(peers.map(({ id }) => id))
    for (const [id, pool] of this.#pools) {
      if (alive.has(id)) continue
      this.#pools.delete(id)
      pool.close().catch(() => {})
    }
  }
}
