/**
 * Which nodes run a service: each node decides for itself, and all come to the same answer, as they know the same nodes.
 * Rendezvous hashing: each node has a number for each service, and the greatest numbers win. So when a node comes or goes,
 * only the services move that it gains or loses.
 */
import { createHash } from 'node:crypto'
import type { PlacementOptions } from '../contract/options.ts'
import type { NodeIdentity } from './cluster.ts'

type Candidate = Pick<NodeIdentity, 'id' | 'name' | 'labels'>

/** @param others the other nodes that are alive */
export function isPlacedOn(
  node: Candidate,
  others: readonly Candidate[],
  service: string,
  { nodes, labels = {} }: PlacementOptions = {},
): boolean {
  const isEligible = ({ labels: has }: Candidate) => Object.entries(labels).every(([key, value]) => has[key] === value)
  if (!isEligible(node)) return false
  if (nodes === undefined || nodes > others.length) return true
  const own = rankOf(node, service)
  return others.filter((other) => isEligible(other) && rankOf(other, service) > own).length < nodes
}

/** By the name, which a restart does not change. The id decides between nodes of the same name. */
function rankOf({ id, name }: Candidate, service: string): string {
  return `${createHash('sha256').update(`${service}\0${name}`).digest('hex')} ${id}`
}
