/**
 * Sends calls to other nodes.
 *
 * Loaded only by a server that is a node of a cluster.
 */
import type { Cluster, Peer } from './cluster.ts'
import { type CallToForward, ForwardedCall } from './forwarded-call.ts'
import type { PeerConnections } from './peer-connections.ts'
import { type LocalServices, NodeRouter } from './router.ts'

export class Forwarder {
  readonly #router: NodeRouter
  readonly #connections: PeerConnections

  constructor(cluster: Cluster, local: LocalServices, connections: PeerConnections) {
    this.#router = new NodeRouter(cluster, local)
    this.#connections = connections
  }

  /** See {@link NodeRouter.route}. */
  route(service: string): 'here' | Peer | undefined {
    return this.#router.route(service)
  }

  /** See {@link NodeRouter.routeSoon}. */
  routeSoon(service: string): ReturnType<NodeRouter['routeSoon']> {
    return this.#router.routeSoon(service)
  }

  /** Answers the client, whatever happens. */
  forward(peer: Peer, call: CallToForward): void {
    new ForwardedCall(call, this.#router, this.#connections).start(peer)
  }
}
