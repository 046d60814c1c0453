/** What a node of a cluster reaches the others with. It is loaded only then. */
import type { Cluster } from '../cluster/cluster.ts'
import type { Forwarder } from '../cluster/forwarder.ts'
import type { Membership } from '../cluster/membership.ts'
import type { PeerConnections } from '../cluster/peer-connections.ts'
import type { PeerEvents, PeerEventSink } from '../cluster/peer-events.ts'
import type { Plane } from '../cluster/plane.ts'
import type { Run } from '../cluster/statement.ts'
import type { Registry } from '../registry/registry.ts'

interface Reach {
  connections?: PeerConnections
  forwarder: Forwarder | undefined
  plane: Plane | undefined
  followEvents: ((sink: PeerEventSink) => PeerEvents) | undefined
}

/** @param shared the other nodes with all that they tell; `undefined`: only calls go to them */
export async function reachNodes(
  cluster: Cluster | undefined,
  shared: { membership: Membership; run: Run } | undefined,
  registry: Registry,
): Promise<Reach> {
  if (cluster === undefined) return { forwarder: undefined, plane: undefined, followEvents: undefined }
  const [{ PeerConnections }, { Forwarder }, { Plane }, { PeerEvents }] = await Promise.all([
    import('../cluster/peer-connections.ts'),
    import('../cluster/forwarder.ts'),
    import('../cluster/plane.ts'),
    import('../cluster/peer-events.ts'),
  ])
  const connections = new PeerConnections(cluster)
  const forwarder = new Forwarder(cluster, registry, connections)
  const plane = shared && new Plane(shared.run, shared.membership, connections)
  return { connections, forwarder, plane, followEvents: plane && ((sink) => new PeerEvents(plane, sink)) }
}
