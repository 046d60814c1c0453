/** The nodes of the cluster: what each is and runs, and how one is taken out of service. A server that is alone is one node. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ThreadplaneError } from '../src/contract/errors.ts'
import type { ClusterNode } from '../src/cluster/cluster-node.ts'
import type { Member } from '../src/cluster/membership.ts'
import type { Plane } from '../src/cluster/plane.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import { NodeView } from './schemas/node.ts'
import { callerOf } from './shared/caller.ts'
import { errorOf } from './shared/node-errors.ts'

/** A drain of another node is answered within this time. */
const DRAIN_WITHIN_MS = 2_000

interface NodeRoutesOptions {
  version: string
  registry: Registry
  /** This server among others, if it is. */
  node: ClusterNode | undefined
  /** The other nodes; `undefined`: the server is alone, or is asked by another node. */
  plane: Plane | undefined
  /** How a server that is alone calls itself. */
  alone: { id: string; name: string }
}

export const nodeRoutes: FastifyPluginAsyncTypebox<NodeRoutesOptions> = async (
  app,
  { version, registry, node, plane, alone },
) => {
  const startedAt = new Date(Date.now() - process.uptime() * 1_000).toISOString()
  const differs = (service: string) => (plane?.modulesOf(service).size ?? 0) > 1

  const own = (): NodeView => {
    const { id, name, url, labels } = plane?.membership.self ?? { ...alone, url: null, labels: {} }
    return {
      id,
      name,
      url: url && withoutSecrets(url),
      version,
      startedAt,
      seenAt: new Date().toISOString(),
      labels: { ...labels },
      self: true,
      draining: node?.isDraining ?? false,
      services: registry.services.map((service) => ({
        name: service.name,
        state: service.state,
        threads: service.threads.filter(({ state }) => state === 'running').length,
        moduleHash: service.threadSet.version.hash ?? null,
        differs: differs(service.name),
      })),
    }
  }

  const other = ({
    id,
    name,
    url,
    version,
    startedAt,
    seenAt,
    labels,
    isLeaving,
    load,
    modules,
  }: Member): NodeView => ({
    id,
    name,
    url: withoutSecrets(url),
    version,
    startedAt,
    seenAt,
    labels: { ...labels },
    self: false,
    draining: isLeaving,
    services: [...load].map(([service, { state, threads }]) => ({
      name: service,
      state,
      threads,
      moduleHash: modules.get(service) ?? null,
      differs: differs(service),
    })),
  })

  app.get('/nodes', {
    config: { scope: 'read', narrows: true },
    schema: {
      operationId: 'listNodes',
      tags: ['Nodes'],
      summary: 'The nodes that are alive, with the services that they run',
      description:
        'A server that is alone is the only one. In a cluster, a service whose `differs` is true has other code there.',
      response: { 200: Type.Object({ items: Type.Array(NodeView) }, { description: 'All nodes' }), ...problems() },
    },
    handler: async ({ access }) => {
      const nodes = [own(), ...(plane?.peers ?? []).map(other)]
      const items = nodes.map(({ services, ...rest }) => ({
        ...rest,
        services: access === undefined ? services : services.filter(({ name }) => access.has(['read'], name)),
      }))
      return { items: items.sort((a, b) => (a.name < b.name ? -1 : 1)) }
    },
  })

  app.post('/nodes/:node/drain', {
    config: { scope: 'operate' },
    schema: {
      operationId: 'drainNode',
      tags: ['Nodes'],
      summary: 'Give a node no new work, until its server is started again',
      description:
        'Its `/readyz` answers 503, its jobs that have not begun go to other nodes, and so do calls of services that run on another node. What has begun runs to its end. It may be asked for again. Only a new start of its server ends it.',
      params: Type.Object({ node: Type.String({ description: 'Id or name of the node' }) }),
      response: {
        200: Type.Object(
          { id: Type.String(), name: Type.String(), draining: Type.Literal(true) },
          { description: 'The node takes no new work' },
        ),
        ...problems('NODE_NOT_FOUND', 'NODE_UNREACHABLE', 'CONFLICT'),
      },
    },
    handler: async (request) => {
      const asked = request.params.node
      if (node === undefined) {
        if (asked !== alone.id && asked !== alone.name) throw noNode(asked, [alone.name])
        throw new ThreadplaneError('CONFLICT', 'this server is alone: no other node could take its work')
      }
      const { self } = node
      if (asked === self.id || asked === self.name) {
        node.drain()
        return { id: self.id, name: self.name, draining: true as const }
      }
      const peer = plane?.find(asked)
      if (plane === undefined || peer === undefined) {
        throw noNode(asked, [self.name, ...(plane?.peers ?? []).map(({ name }) => name)])
      }
      const path = `/v1/nodes/${peer.id}/drain`
      const question = { method: 'POST', path, caller: callerOf(request), withinMs: DRAIN_WITHIN_MS } as const
      const answer = await plane.ask(peer, question)
      if (answer.status !== 200) throw errorOf(answer)
      return { id: peer.id, name: peer.name, draining: true as const }
    },
  })
}

function noNode(node: string, names: string[]): ThreadplaneError {
  return new ThreadplaneError(
    'NODE_NOT_FOUND',
    `there is no node ${JSON.stringify(node)}; there are: ${names.join(', ')}`,
  )
}

function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return ''
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname === '/' ? '' : pathname}`
}
