/**
 * The events of the other nodes, while somebody looks at them here: one stream from each node, of the kinds that are
 * looked at. A stream that breaks goes on behind its last event. For a while after the last client has left, the streams
 * stay: it may come back with a cursor.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { resolvesWithin } from '../async/deadline.ts'
import { bootOf } from '../contract/cursor.ts'
import type { Member } from './membership.ts'
import { PeerStream, type StreamEvent } from './peer-stream.ts'
import type { Plane } from './plane.ts'

/** Kinds of events, and the types that a stream of each kind asks for. */
const TYPES = {
  control: 'service.*,thread.*,schedule.*,server.*,job.failed',
  jobs: 'job.*',
  log: 'log',
  audit: 'audit',
  stats: 'stats',
} as const
export type EventKind = keyof typeof TYPES

/** A client waits no longer for the streams of other nodes to begin. */
const BEGIN_WITHIN_MS = 200
const AGAIN_AFTER_MS = 200
const KEPT_FOR_MS = 60_000
/** Clients may come back with cursors of servers that have gone. Their events are in no ring for long. */
const MAX_BOOTS = 1_000

/** What is done here with the events of other nodes. */
export interface PeerEventSink {
  /** From now on events are merged: before, those of other nodes are missing. */
  begins(kind: EventKind): void
  event(event: StreamEvent, peer: Member): void
  /** Events of a node may be missing. */
  gap(facts: object, peer: Member): void
  /** A node has gone. */
  left(peer: Member): void
}

export class PeerEvents {
  readonly #plane: Plane
  readonly #sink: PeerEventSink
  /** How many clients look at events of a kind; 0: the last one left a short while ago. */
  readonly #lookers = new Map<EventKind, number>()
  readonly #timers = new Map<EventKind, NodeJS.Timeout>()
  /** By the id of the node. */
  readonly #streams = new Map<string, PeerStream>()
  /** Starts of servers that the streams were of: the newest. */
  readonly #boots = new Set<string>()
  #isClosed = false

  constructor(plane: Plane, sink: PeerEventSink) {
    this.#plane = plane
    this.#sink = sink
    plane.membership.onChanged(() => this.#follow('earliest'))
  }

  /** Is this the start of another node's server? */
  knows(boot: string): boolean {
    return this.#boots.has(boot) || this.#plane.peers.some(({ id }) => bootOf(id) === boot)
  }

  /**
   * Merges events of these kinds from now on, until the returned function is called. What is returned resolves when the
   * streams of the other nodes have begun, or after a short time.
   */
  look(kinds: EventKind[]): { begun: Promise<void>; leave: () => void } {
    for (const kind of kinds) {
      clearTimeout(this.#timers.get(kind))
      if (!this.#lookers.has(kind)) this.#sink.begins(kind)
      this.#lookers.set(kind, (this.#lookers.get(kind) ?? 0) + 1)
    }
    this.#follow(undefined)
    const begun = Promise.all([...this.#streams.values()].map((stream) => stream.begun))
    const leave = () => {
      for (const kind of kinds) this.#leave(kind)
    }
    return { begun: resolvesWithin(begun, BEGIN_WITHIN_MS).then(() => {}), leave }
  }

  #leave(kind: EventKind): void {
    const left = (this.#lookers.get(kind) ?? 1) - 1
    this.#lookers.set(kind, left)
    if (left > 0) return
    const timer = setTimeout(() => {
      this.#lookers.delete(kind)
      this.#follow(undefined)
    }, KEPT_FOR_MS)
    this.#timers.set(kind, timer.unref())
  }

  /**
   * Opens the streams that are missing, and closes those that nobody looks at any more.
   * @param after of a node that was not known before; `earliest`: it has come while its events were looked at
   */
  #follow(after: 'earliest' | undefined): void {
    const { peers } = this.#plane
    const types = [...this.#lookers.keys()]
      .map((kind) => TYPES[kind])
      .sort()
      .join(',')
    const alive = new Set(peers.map(({ id }) => id))
    for (const [id, stream] of this.#streams) {
      if (types !== '' && alive.has(id)) continue
      this.#streams.delete(id)
      stream.close()
      if (!alive.has(id)) this.#sink.left(stream.peer)
    }
    if (types === '' || this.#isClosed) return
    for (const peer of peers) {
      const before = this.#streams.get(peer.id)
      if (before?.types === types) continue
      before?.close()
      this.#open(peer, types, before?.lastId ?? after, before !== undefined)
    }
  }

  /** @param grows the stream takes the place of one with other types, whose events are all there */
  #open(peer: Member, types: string, after: string | undefined, grows: boolean): void {
    const stream: PeerStream = new PeerStream(this.#plane.connections.to(peer), peer, types, after, {
      hello: (boot) => this.#met(boot),
      event: (event) => this.#sink.event(event, peer),
      gap: (facts) => {
        if (!grows) this.#sink.gap(facts, peer)
      },
      ended: () => void this.#again(stream),
    })
    this.#streams.set(peer.id, stream)
  }

  #met(boot: string): void {
    this.#boots.delete(boot)
    this.#boots.add(boot)
    const [oldest] = this.#boots
    if (this.#boots.size > MAX_BOOTS && oldest !== undefined) this.#boots.delete(oldest)
  }

  async #again(broken: PeerStream): Promise<void> {
    const { peer, types, lastId } = broken
    await sleep(AGAIN_AFTER_MS, undefined, { ref: false })
    if (this.#streams.get(peer.id) === broken) this.#open(peer, types, lastId, false)
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    for (const stream of this.#streams.values()) stream.close()
    this.#streams.clear()
  }
}
