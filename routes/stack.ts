/** The JavaScript stacks of the threads of a service at this moment. It works for a thread that hangs, too. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import type { Plane } from '../src/cluster/plane.ts'
import { STACK_STATES } from '../src/contract/stack.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import { ServiceParams } from './schemas/service.ts'
import { callerOf } from './shared/caller.ts'

const Frame = Type.Object({
  function: Type.String(),
  url: Type.String({ description: 'URL of the module, or node:… for a module of Node' }),
  line: Type.Integer({ minimum: 1 }),
  column: Type.Integer({ minimum: 1 }),
})

/** A thread in native code is waited for a second. */
const STACKS_WITHIN_MS = 2_000

const StackList = Type.Object(
  {
    items: Type.Array(
      Type.Object({
        id: Type.Integer({ description: 'Id of the thread, as in the status of the service' }),
        state: Type.String({
          enum: [...STACK_STATES],
          description:
            'running: it runs JavaScript. idle: its event loop waits. blocked-native: it did not answer for a second, so it runs native code',
        }),
        node: Type.Optional(Type.String({ description: 'In a cluster: the name of the node that it runs on' })),
        frames: Type.Array(Frame, { description: 'Innermost first, at most 200' }),
      }),
    ),
  },
  { description: 'One stack for each thread, also for threads that start, stop or retire' },
)

type StackList = Static<typeof StackList>

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
