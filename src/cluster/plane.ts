/**
 * All nodes as one: asks the other nodes for what only they know, over their node listeners. These serve the routes of
 * clients, and each answers for itself alone. What does not answer in time is left out: the caller shows what it knows.
 *
 * Loaded only by a server that is a node of a cluster.
 */
import type { FastifyReply } from 'fastify'
import { bootOf, parseCursor } from '../contract/cursor.ts'
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import { RESUMED_PREFIX } from '../contract/node-headers.ts'
import { type Caller, requestHeaders } from './hop-headers.ts'
import type { Member, Membership } from './membership.ts'
import type { PeerConnections } from './peer-connections.ts'
import { relay, type RelayedRequest } from './relay.ts'
import { type Run, statement } from './statement.ts'
import { timings } from './timings.ts'

/** The answer of one node: a larger one counts as none. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024

export interface Question {
  method: 'GET' | 'POST'
  /** With the query. */
  path: string
  /** JSON. */
  body?: string
  /** Media type of the answer. */
  accept?: string
  /** Who asks; `undefined`: anybody may. */
  caller: Caller | undefined
  /** Default: the time for what an answer shows of other nodes. */
  withinMs?: number
}

export interface NodeAnswer {
  peer: Member
  status: number
  text: string
}

/** The node that a job runs on. */
const NODE_OF = statement('nodeOf', `SELECT node::text AS node FROM jobs WHERE id = $1 AND state = 'running'`)

export class Plane {
  readonly #run: Run
  readonly membership: Membership
  readonly connections: PeerConnections
  /** Requests that are under way, by the id of the node. */
  readonly #asked = new Map<string, Set<AbortController>>()

  constructor(run: Run, membership: Membership, connections: PeerConnections) {
    this.#run = run
    this.membership = membership
    this.connections = connections
    membership.onChanged(() => this.#giveUpGone())
  }

  /** How long an answer waits for what other nodes have to do. */
  get followedWithinMs(): number {
    return timings.followedWithinMs
  }

  /** The other nodes that are alive. */
  get peers(): readonly Member[] {
    return this.membership.peers
  }

  /** Nodes on which a service has threads, or is about to have some. */
  peersWith(service: string): Member[] {
    return this.peers.filter(({ load }) => (load.get(service)?.state ?? 'stopped') !== 'stopped')
  }

  /** The other node with this id or name. */
  find(node: string): Member | undefined {
    return this.peers.find(({ id }) => id === node) ?? this.peers.find(({ name }) => name === node)
  }

  /** The other node that a job runs on. @throws JOURNAL_UNAVAILABLE */
  async runnerOf(jobId: string): Promise<Member | undefined> {
    const { rows } = await this.#run<{ node: string | null }>(NODE_OF, [jobId])
    return this.peers.find(({ id }) => id === rows[0]?.node)
  }

  /** Names of the nodes that have a service, by the hash of its module. */
  modulesOf(service: string): Map<string, string[]> {
    return this.membership.modulesOf(service)
  }

  /** Asks several nodes the same. Nodes that do not answer are left out. */
  async askAll(peers: readonly Member[], question: Question): Promise<NodeAnswer[]> {
    const answers = await Promise.all(peers.map((peer) => this.ask(peer, question).catch(() => undefined)))
    return answers.filter((answer) => answer !== undefined)
  }

  /** @throws NODE_UNREACHABLE if there is no answer in time */
  async ask(
    peer: Member,
    { method, path, body, accept, caller, withinMs = timings.showWithinMs }: Question,
  ): Promise<NodeAnswer> {
    const given = new AbortController()
    const asked = this.#asked.get(peer.id) ?? new Set()
    this.#asked.set(peer.id, asked.add(given))
    const late = setTimeout(() => given.abort(new Error(`no answer within ${withinMs} ms`)), withinMs)
    try {
      const sent = {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(accept !== undefined && { accept }),
      }
      const answer = await this.connections.to(peer).request({
        method,
        path,
        headers: requestHeaders(sent, peer.token, caller, undefined),
        ...(body !== undefined && { body }),
        signal: given.signal,
      })
      return { peer, status: answer.statusCode, text: await textOf(answer.body) }
    } catch (error) {
      const cause = error as Error
      const detail = `the node ${peer.name} does not answer: ${cause.message}`
      throw new ThreadplaneError('NODE_UNREACHABLE', detail, { cause, retryAfterSeconds: RETRY_AFTER_SECONDS })
    } finally {
      clearTimeout(late)
      asked.delete(given)
      if (asked.size === 0) this.#asked.delete(peer.id)
    }
  }

  /** Has another node answer a request of a client. @throws NODE_UNREACHABLE */
  relay(peer: Member, relayed: RelayedRequest): Promise<void> {
    return relay(this.connections.to(peer), peer, relayed)
  }

  /**
   * Has the node that has given out a cursor go on behind it: no other one knows what its client has got.
   * @returns false if no other node alive has given it out, or that node does not answer
   */
  async resume(cursor: string, reply: FastifyReply, caller: Caller | undefined): Promise<boolean> {
    const boot = parseCursor(cursor)?.boot
    const peer = this.peers.find(({ id }) => bootOf(id) === boot)
    if (peer === undefined) return false
    const { url, headers } = reply.request
    const path = `${RESUMED_PREFIX}${url}`
    const waits = { withinMs: timings.resumedWithinMs, silentMs: timings.silentMs }
    try {
      await this.relay(peer, { reply, path, headers, caller, ...waits })
      return true
    } catch {
      return false
    }
  }

  /** A node that has gone does not answer any more, also where its connections are still open. */
  #giveUpGone(): void {
    const alive = new Set(this.peers.map(({ id }) => id))
    for (const [id, asked] of this.#asked) {
      if (alive.has(id)) continue
      for (const given of asked) given.abort(new Error('it has gone'))
    }
  }
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body) {
    pieces.push(piece)
    bytes += piece.byteLength
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`its answer has more than ${MAX_ANSWER_BYTES} bytes`)
  }
  return Buffer.concat(pieces).toString()
}
