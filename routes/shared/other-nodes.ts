/**
 * What is asked of a service is done by all nodes. What is written in its registration each node does by itself: here the
 * answer to the client waits for that, so that any node shows it from then on. The rest is asked of each.
 */
import type { FastifyRequest } from 'fastify'
import { hasCode, ThreadplaneError } from '../../src/contract/errors.ts'
import type { NodeAnswer, Plane, Question } from '../../src/cluster/plane.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { callerOf } from './caller.ts'
import { errorOf } from './node-errors.ts'

/** Beyond the start and the stop of a service. */
const MORE_MS = 10_000

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
   * @param mayRefuse a node on which the service does not run may answer CONFLICT
   * @returns what was done here; and the answers of the others
   */
  async all<T>(
    service: SupervisedService,
    request: FastifyRequest,
    here: () => Promise<T>,
    { mayRefuse = false } = {},
  ): Promise<{ own: T | undefined; answers: NodeAnswer[] }> {
    const plane = this.#plane
    if (plane === undefined) return { own: await here(), answers: [] }
    const question = questionOf(service, request)
    const asked = plane.peers.map(async (peer) => {
      const answer = await plane.ask(peer, question)
      if (answer.status >= 400) throw errorOf(answer)
      return answer
    })
    const [own, ...others] = await Promise.allSettled([here(), ...asked])
    const answers = others.flatMap((one) => (one.status === 'fulfilled' ? [one.value as NodeAnswer] : []))
    const done = [own, ...others].some(({ status }) => status === 'fulfilled')
    for (const one of [own, ...others]) {
      if (one.status === 'fulfilled' || (mayRefuse && done && hasCode(one.reason, 'CONFLICT'))) continue
      throw one.reason as Error
    }
    return { own: own.status === 'fulfilled' ? (own.value as T) : undefined, answers }
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
