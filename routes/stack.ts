/** The JavaScript stacks of the threads of a service at this moment. It works for a thread that hangs, too. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Plane } from '../src/cluster/plane.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import { ServiceParams } from './schemas/service.ts'
import { StackList } from './schemas/stack.ts'
import { callerOf } from './shared/caller.ts'

/** A thread in native code is waited for a second. */
const STACKS_WITHIN_MS = 2_000

interface StackRoutesOptions {
  registry: Registry
  plane: Plane | undefined
}

export const stackRoutes: FastifyPluginAsyncTypebox<StackRoutesOptions> = async (app, { registry, plane }) => {
  app.get('/services/:service/stack', {
    config: { scope: 'profile' },
    schema: {
      operationId: 'getStack',
      tags: ['Services'],
      summary: 'Show the present JavaScript stack of each thread of a service',
      description: 'It works for a thread that hangs, too. The threads are not paused.',
      params: ServiceParams,
      response: { 200: StackList, ...problems('SERVICE_NOT_FOUND') },
    },
    handler: async (request) => {
      const service = registry.get(request.params.service)
      if (plane === undefined) return { items: await service.stacks() }
      const { peers, membership } = plane
      const caller = callerOf(request)
      const [own, answers] = await Promise.all([
        service.stacks(),
        plane.askAll(peers, { method: 'GET', path: request.url, caller, withinMs: STACKS_WITHIN_MS }),
      ])
      const others = answers.flatMap(({ peer, status, text }) => {
        const { items } = status === 200 ? (JSON.parse(text) as StackList) : { items: [] }
        return items.map((stack) => ({ ...stack, node: peer.name }))
      })
      return { items: [...own.map((stack) => ({ ...stack, node: membership.self.name })), ...others] }
    },
  })
}
