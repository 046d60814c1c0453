/**
 * Where a call runs: on this node if the service runs here and has room, else on the least busy of the other nodes.
 *
 * What peers tell of their load is as old as their last heartbeat. So the calls that this node has sent to a peer count
 * too, and a random part of one method keeps nodes that see the same loads from choosing the same peer.
 */
import type { ServiceState } from '../contract/states.ts'
import type { Cluster, Peer, ServiceLoad } from './cluster.ts'
import { timings } from './timings.ts'

/** A peer that could not be connected to is the last choice for this long. */
const UNREACHABLE_MS = 1_000

const NONE: ReadonlySet<string> = new Set()

/** In these states calls wait in the queue of the service. */
const TAKE_CALLS: ReadonlySet<ServiceState> = new Set(['starting', 'backoff'])

/** The services of this node. */
export interface LocalServices {
  find(name: string): LocalService | undefined
}

interface LocalService {
  readonly state: ServiceState
  readonly room: number
  /** Is this node one of those that are to run it? */
  readonly isPlacedHere: boolean
  readonly desiredState: 'running' | 'stopped'
}

export class NodeRouter {
  readonly #cluster: Cluster
  readonly #local: LocalServices
  /** Id of a peer → since when it is known to be unreachable, by the monotonic clock. */
  readonly #unreachable = new Map<string, number>()
  /** Id of a peer → name of a service → calls under way there that this node has sent. */
  readonly #sent = new Map<string, Map<string, number>>()

  /** Look for a node again, whenever there is news of the others. */
  readonly #waiting = new Set<() => void>()

  constructor(cluster: Cluster, local: LocalServices) {
    this.#cluster = cluster
    this.#local = local
    cluster.onChanged(() => {
      this.#forgetGone()
      for (const look of this.#waiting) look()
    })
  }

  /** `undefined`: no node can take the call now. */
  route(service: string): 'here' | Peer | undefined {
    const here = this.#local.find(service)
    const runsHere = here !== undefined && here.room > 0 && here.state === 'running'
    if (runsHere && !this.#cluster.isLeaving) return 'here'
    return this.leastBusy(service) ?? (runsHere ? 'here' : undefined)
  }

  /**
   * As {@link route}, for a call that has to be answered. What other nodes run, one of them answers, also where it takes no
   * calls now. While none has told that it has the service, the call waits for that: it may have been started a moment ago.
   */
  routeSoon(service: string): 'here' | Peer | undefined | Promise<'here' | Peer | undefined> {
    const target = this.route(service)
    if (target !== undefined) return target
    const here = this.#local.find(service)
    if (here === undefined || here.isPlacedHere || here.desiredState !== 'running') return undefined
    const holder = this.#holder(service)
    if (holder !== undefined) return holder
    return new Promise((resolve) => {
      const look = () => this.route(service) ?? this.#holder(service)
      const end = () => {
        clearTimeout(timer)
        this.#waiting.delete(lookAgain)
        resolve(look())
      }
      const lookAgain = () => {
        if (look() !== undefined) end()
      }
      const timer = setTimeout(end, timings.newsWithinMs)
      this.#waiting.add(lookAgain)
    })
  }

  /** A node that has the service. Where it starts, the call waits there; else the node refuses it, and says why. */
  #holder(service: string): Peer | undefined {
    const stateOn = ({ load }: Peer) => load.get(service)?.state ?? 'stopped'
    const holders = this.#cluster.peers.filter((peer) => stateOn(peer) !== 'stopped')
    return holders.find((peer) => TAKE_CALLS.has(stateOn(peer))) ?? holders[0]
  }

  /** @param except the ids of peers that have refused the call */
  leastBusy(service: string, except: ReadonlySet<string> = NONE): Peer | undefined {
    let best: Peer | undefined
    let least = Number.POSITIVE_INFINITY
    for (const peer of this.#cluster.peers) {
      const load = peer.load.get(service)
      if (load?.state !== 'running' || load.room <= 0 || load.concurrency <= 0 || except.has(peer.id)) continue
      const busy = this.#busy(peer, service, load)
      if (busy >= least) continue
      best = peer
      least = busy
    }
    return best
  }

  /** Notes a call that is sent to a peer. Returns what notes its end. */
  sending({ id }: Peer, service: string): () => void {
    const sent = this.#sent.get(id) ?? new Map<string, number>()
    this.#sent.set(id, sent)
    sent.set(service, (sent.get(service) ?? 0) + 1)
    return () => {
      const left = (sent.get(service) ?? 1) - 1
      if (left > 0) sent.set(service, left)
      else sent.delete(service)
    }
  }

  /** Notes that there is no connection to a peer. */
  unreachable({ id }: Peer): void {
    this.#unreachable.set(id, performance.now())
  }

  /**
   * Methods that run and wait, for each that can run at once. A peer that takes no new work, or cannot be reached, comes
   * after all others.
   */
  #busy({ id, isLeaving }: Peer, service: string, { running, waiting, concurrency }: ServiceLoad): number {
    const since = this.#unreachable.get(id)
    const isLast = isLeaving || (since !== undefined && performance.now() - since < UNREACHABLE_MS)
    const penalty = isLast ? Number.MAX_SAFE_INTEGER : 0
    const sent = this.#sent.get(id)?.get(service) ?? 0
    return penalty + (Math.max(running + waiting, sent) + Math.random()) / concurrency
  }

  #forgetGone(): void {
    const alive = new Set(this.#cluster.peers.map(({ id }) => id))
    for (const id of this.#unreachable.keys()) if (!alive.has(id)) this.#unreachable.delete(id)
    for (const id of this.#sent.keys()) if (!alive.has(id)) this.#sent.delete(id)
  }
}
