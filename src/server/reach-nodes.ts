/** What a node of a cluster reaches the others with. It is loaded only then. */
import type { Cluster } from '../cluster/cluster.ts'
import type { Forwarder } from '../cluster/forwarder.ts'
import type { Membership } from '../cluster/membership.ts'
import type { PeerConnections } from '../cluster/peer-connections.ts'
import type { Plane } from '../cluster/plane.ts'
import type { Registry } from '../registry/registry.ts'

interface Reach {
  connections?: PeerConnections
  forwarder: Forwarder | undefined
  plane: Plane | undefined
}

/** @param membership the other nodes with all that they tell; `undefined`: only calls go to them */
export async function reachNodes(
  cluster: Cluster | undefined,
  membership: Membership | undefined,
  registry: Registry,
): Promise<Reach> {
  if (cluster === undefined) return { forwarder: undefined, plane: undefined }
  const [{ PeerConnections }, { Forwarder }, { Plane }] = await Promise.all([
    import('../cluster/peer-connections.ts'),
    import('../cluster/forwarder.ts'),
    import('../cluster/plane.ts'),
  ])
  const connections = new PeerConnections(cluster)
  const forwarder = new Forwarder(cluster, registry, connections)
  return { connections, forwarder, plane: membership && new Plane(membership, connections) }
}
