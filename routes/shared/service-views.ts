/**
 * Services as clients see them: of all nodes together. A server that is alone, or that another node asks, shows its own.
 * Each of the other nodes is asked once for what a request shows, and is given little time.
 */
import type { FastifyRequest } from 'fastify'
import type { Member } from '../../src/cluster/membership.ts'
import type { NodeAnswer, Plane } from '../../src/cluster/plane.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { serviceStatus, type ServiceStatus } from '../schemas/service.ts'
import { serviceSummary, type ServiceSummary } from '../schemas/service-summary.ts'
import { callerOf } from './caller.ts'
import { mergedStatus, mergedSummary, type Part } from './merged-services.ts'

const UNKNOWN = { state: 'stopped', threads: 0 } as const

export class ServiceViews {
  readonly #plane: Plane | undefined

  constructor(plane: Plane | undefined) {
    this.#plane = plane
  }

  async status(service: SupervisedService, request: FastifyRequest): Promise<ServiceStatus> {
    const own = serviceStatus(service)
    if (this.#plane === undefined) return own
    const answers = await this.#ask(`/v1/services/${encodeURIComponent(service.name)}`, request)
    return mergedStatus(
      own,
      this.#parts(
        service,
        own,
        readAll<ServiceStatus>(answers, (status) => [status]),
      ),
    )
  }

  async statuses(services: SupervisedService[], request: FastifyRequest): Promise<ServiceStatus[]> {
    if (this.#plane === undefined) return services.map(serviceStatus)
    const answers = readAll(await this.#ask('/v1/services', request), itemsOf<ServiceStatus>)
    return services.map((service) => {
      const own = serviceStatus(service)
      return mergedStatus(own, this.#parts(service, own, answers))
    })
  }

  async summaries(services: SupervisedService[], request: FastifyRequest): Promise<ServiceSummary[]> {
    if (this.#plane === undefined) return services.map(serviceSummary)
    const answers = readAll(await this.#ask('/v1/services?view=summary', request), itemsOf<ServiceSummary>)
    return services.map((service) => {
      const own = serviceSummary(service)
      return mergedSummary(own, this.#parts(service, own, answers))
    })
  }

  async #ask(path: string, request: FastifyRequest): Promise<NodeAnswer[]> {
    const plane = this.#plane as Plane
    return plane.askAll(plane.peers, { method: 'GET', path, caller: callerOf(request) })
  }

  /** What this node shows, and each of the others. */
  #parts<View>(service: SupervisedService, own: View, answers: Views<View>): Part<View>[] {
    const { name, threadSet } = service
    const { membership, peers } = this.#plane as Plane
    const { self } = membership
    const node = { id: self.id, name: self.name, self: true }
    const ours: Part<View> = { node, view: own, told: UNKNOWN, moduleHash: threadSet.version.hash }
    const others = peers.map((peer): Part<View> => {
      const { id, load, modules } = peer
      return {
        node: { id, name: peer.name, self: false },
        view: answers.get(id)?.get(name),
        told: load.get(name) ?? UNKNOWN,
        moduleHash: modules.get(name),
      }
    })
    return [ours, ...others].sort((a, b) => (a.node.name < b.node.name ? -1 : 1))
  }
}

/** Id of a node → name of a service → what the node shows of it. */
type Views<View> = ReadonlyMap<Member['id'], ReadonlyMap<string, View>>

function readAll<View extends { name: string }>(answers: NodeAnswer[], viewsOf: (body: never) => View[]): Views<View> {
  const known = answers.filter(({ status }) => status === 200)
  return new Map(
    known.map(({ peer, text }) => {
      const views = viewsOf(JSON.parse(text) as never)
      return [peer.id, new Map(views.map((view) => [view.name, view]))]
    }),
  )
}

function itemsOf<View>({ items }: { items: View[] }): View[] {
  return items
}
