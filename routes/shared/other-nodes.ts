/**
 * What is asked of a service is done by all nodes. What is written in its registration each node does by itself: here the
 * answer to the client waits for that, so that any node shows it from then on. Where the answer says what the nodes did,
 * each of them is asked to do it.
 */
import type { FastifyRequest } from 'fastify'
import { hasCode, ThreadplaneError } from '../../src/contract/errors.ts'
import type { ServiceState } from '../../src/contract/states.ts'
import type { Plane, Question } from '../../src/cluster/plane.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { callerOf } from './caller.ts'
import { errorOf } from './node-errors.ts'

/** Beyond the start and the stop of a service. */
const MORE_MS = 10_000

/** What a node did, as in its answer. */
export interface Done {
  /** That the service has there now. */
  state: ServiceState
  changed: boolean
  stoppedDependents?: string[]
}

export class OtherNodes {
  readonly #plane: Plane | undefined

  constructor(plane: Plane | undefined) {
    this.#plane = plane
  }

  /** Waits until the other nodes have done what was written in the registration of a service. */
  async follow(service: string, request: FastifyRequest): Promise<void> {
    const path = `/v1/services/${encodeURIComponent(service)}/follow`
    const plane = this.#plane
    if (plane === undefined) return
    const withinMs = plane.followedWithinMs
    await plane.askAll(plane.peers, { method: 'POST', path, caller: callerOf(request), withinMs })
  }

  /**
   * Does here what a request asks for, and has the other nodes do the same, all at once.
   * @param here resolves to the part of the answer that it decides
   * @param did does an answer say that its node has done it? Then no other node has to. Left out: all have to
   * @returns what each of the nodes did
   */
  async all(
    service: SupervisedService,
    request: FastifyRequest,
    here: () => Promise<Partial<Done>>,
    did?: (done: Done) => boolean,
  ): Promise<Done[]> {
    const own = here().then((done): Done => ({ state: service.state, changed: false, ...done }))
    const plane = this.#plane
    if (plane === undefined) return [await own]
    const question = questionOf(service, request)
    const asked = plane.peers.map(async (peer) => {
      const answer = await plane.ask(peer, question)
      if (answer.status >= 400) throw errorOf(answer)
      return JSON.parse(answer.text) as Done
    })
    const settled = await Promise.allSettled([own, ...asked])
    const all = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const errors = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : []))
    // The node that runs it may be the one that cannot be asked.
    const error = errors.find((one) => hasCode(one, 'NODE_UNREACHABLE')) ?? errors[0]
    if (error !== undefined && (did === undefined || !all.some(did))) throw error
    return all
  }

  /** Does it here, and then on one node after the other. The first node that fails ends the walk. */
  async oneByOne(service: SupervisedService, request: FastifyRequest, here: () => Promise<void>): Promise<void> {
    const plane = this.#plane
    if (plane === undefined) return here()
    const { name } = plane.membership.self
    const peers = [...plane.peers].sort((a, b) => (a.name < b.name ? -1 : 1))
    const names = [name, ...peers.map((peer) => peer.name)]
    const walk = (at: number) => {
      const done = names.slice(0, at).join(', ') || 'none'
      return `. Nodes that were done before: ${done}; not done: ${names.slice(at + 1).join(', ') || 'none'}`
    }
    await here().catch((error: unknown) => {
      if (!(error instanceof ThreadplaneError) || peers.length === 0) throw error
      throw new ThreadplaneError(error.code, `the node ${name}: ${error.message}${walk(0)}`, error.facts)
    })
    for (const [index, peer] of peers.entries()) {
      const answer = await plane.ask(peer, questionOf(service, request)).catch((error: unknown) => {
        const { code, message, facts } = error as ThreadplaneError
        throw new ThreadplaneError(code, `${message}${walk(index + 1)}`, facts)
      })
      if (answer.status >= 400) throw errorOf(answer, walk(index + 1))
    }
  }
}

/** The same request, for another node. */
function questionOf({ options }: SupervisedService, request: FastifyRequest): Question {
  const { method, url, body } = request
  return {
    method: method as Question['method'],
    path: url,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    caller: callerOf(request),
    withinMs: options.startTimeoutMs + options.shutdownTimeoutMs + MORE_MS,
  }
}
