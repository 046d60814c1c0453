/**
 * What a server knows of the other nodes of its cluster. The router and the forwarder ask for nothing else: they do not
 * know how nodes find each other.
 */
import { randomBytes } from 'node:crypto'
import type { ServiceState } from '../contract/states.ts'
import { uuidv7 } from '../contract/uuidv7.ts'

const TOKEN_BYTES = 24

/** One life of a server process in the cluster. */
export interface NodeIdentity {
  /** Another one after each start. */
  readonly id: string
  /** Chosen by a person, and the same after a restart. */
  readonly name: string
  /** Where its node listener is reached: `http://` or `https://`, host and port. */
  readonly url: string
  /** What other nodes must show at its node listener. Another one after each start. */
  readonly token: string
  readonly labels: Readonly<Record<string, string>>
}

/** One service, as its node last told. */
export interface ServiceLoad {
  state: ServiceState
  /** Threads that run. */
  threads: number
  /** Methods that its threads can run at once. */
  concurrency: number
  /** Methods that run. */
  running: number
  /** Methods that wait. */
  waiting: number
  /** How many more methods its queue takes. */
  room: number
}

/** Another node. */
export interface Peer extends NodeIdentity {
  /** By the names of the services that are registered there. */
  readonly load: ReadonlyMap<string, ServiceLoad>
  /** Name of a service → hash of the content of its module, to see that nodes run the same code. */
  readonly modules: ReadonlyMap<string, string>
  /** It takes no new work. */
  readonly isLeaving: boolean
}

export interface Cluster {
  readonly self: NodeIdentity
  /** The other nodes that are alive. The same array until the next `changed`. */
  readonly peers: readonly Peer[]
  /** May this node begin jobs? False while it cannot show the others that it is alive. */
  readonly holdsLease: boolean
  /** Does this node take no new work? */
  readonly isLeaving: boolean
  /** Calls the listener after `peers` or `holdsLease` has changed. */
  onChanged(listener: () => void): void
}

/** The only node: nobody else is alive, and nothing ever changes. */
export class SoleNode implements Cluster {
  readonly self: NodeIdentity
  readonly peers: readonly Peer[] = []
  readonly holdsLease = true
  readonly isLeaving = false

  constructor(self: NodeIdentity) {
    this.self = self
  }

  onChanged(): void {}
}

/** The identity of a server that starts: with a new id and a new token. */
export function newIdentity(named: Pick<NodeIdentity, 'name' | 'url' | 'labels'>): NodeIdentity {
  return { ...named, id: uuidv7(), token: randomBytes(TOKEN_BYTES).toString('base64url') }
}
