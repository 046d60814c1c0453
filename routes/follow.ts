/** On the node listener only: another node has changed the registration of a service, and waits until that is done here. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { ClusterNode } from '../src/cluster/cluster-node.ts'
import { ServiceParams } from './schemas/service.ts'

export const followRoutes: FastifyPluginAsyncTypebox<{ node: ClusterNode }> = async (app, { node }) => {
  app.post('/services/:service/follow', {
    config: { scope: 'operate' },
    schema: { hide: true, params: ServiceParams },
    handler: async ({ params }, reply) => {
      await node.bringInLine(params.service)
      return reply.code(204).send(null)
    },
  })
}
