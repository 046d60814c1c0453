/** What the threads of a service are doing at this moment, also one that hangs. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { STACK_STATES } from '../src/contract/stack.ts'
import { problems } from '../src/http/problem.ts'
import type { Registry } from '../src/registry/registry.ts'
import { ServiceParams } from './schemas/service.ts'

const Frame = Type.Object({
  function: Type.String(),
  url: Type.String({ description: 'Of the module, or node:… inside Node' }),
  line: Type.Integer({ minimum: 1 }),
  column: Type.Integer({ minimum: 1 }),
})

const StackList = Type.Object(
  {
    items: Type.Array(
      Type.Object({
        id: Type.Integer({ description: 'Of the thread, as in the status of the service' }),
        state: Type.String({
          enum: [...STACK_STATES],
          description:
            'running: JavaScript. idle: its event loop waits. blocked-native: it is in native code, as it has not answered for a second',
        }),
        frames: Type.Array(Frame, { description: 'Innermost first, not more than 200' }),
      }),
    ),
  },
  { description: 'A stack a thread; those that start, stop or retire too' },
)

export const stackRoutes: FastifyPluginAsyncTypebox<{ registry: Registry }> = async (app, { registry }) => {
  app.get('/services/:service/stack', {
    schema: {
      operationId: 'getStack',
      tags: ['Services'],
      summary: 'The live JavaScript stack of each of its threads',
      description: 'Also of a thread that hangs; nothing is paused for it.',
      params: ServiceParams,
      response: { 200: StackList, ...problems('SERVICE_NOT_FOUND') },
    },
    handler: async ({ params }) => ({ items: await registry.get(params.service).stacks() }),
  })
}
