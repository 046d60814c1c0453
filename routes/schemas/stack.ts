/** The stacks of threads as HTTP shows them. */
import { type Static, Type } from '@sinclair/typebox'
import { STACK_STATES } from '../../src/contract/stack.ts'

const Frame = Type.Object({
  function: Type.String(),
  url: Type.String({ description: 'URL of the module, or node:… for a module of Node' }),
  line: Type.Integer({ minimum: 1 }),
  column: Type.Integer({ minimum: 1 }),
})

export const StackList = Type.Object(
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

export type StackList = Static<typeof StackList>
