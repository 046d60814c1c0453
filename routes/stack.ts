/** The JavaScript stacks of the threads of a service at this moment. It works for a thread that hangs, too. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { STACK_STATES } from '../src/contract/stack.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import { ServiceParams } from './schemas/service.ts'

const Frame = Type.Object({
  function: Type.String(),
  url: Type.String({ description: 'URL of the module, or node:… for a module of Node' }),
  line: Type.Integer({ minimum: 1 }),
  column: Type.Integer({ minimum: 1 }),
})

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
        frames: Type.Array(Frame, { description: 'Innermost first, at most 200' }),
      }),
    ),
  },
  { description: 'One stack for each thread, also for threads that start, stop or retire' },
)

export const stackRoutes: FastifyPluginAsyncTypebox<{ registry: Registry }> = async (app, { registry }) => {
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
    handler: async ({ params }) => ({ items: await registry.get(params.service).stacks() }),
  })
}
