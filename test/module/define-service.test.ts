/** The types that a module gets from `defineService`: what does not fit does not compile. */
import t from 'tap'
import { z } from 'zod'
import { defineService, isServiceDefinition, method } from '../../src/module/define-service.ts'

t.test('handlers know the types of their state and their config', async (t) => {
  const definition = defineService({
    config: z.object({ folder: z.string(), depth: z.coerce.number().default(3) }),
    onStart: ({ config }) => config.folder,
    onThreadStarted: async ({ config }) => ({ open: config.depth + 1 }),
    methods: (method) => ({
      look: method({
        input: z.object({ name: z.string() }),
        output: z.string(),
        handler: ({ name }, { state, config }) => {
          const text: string = config.folder
          const open: number = state.open
          // @ts-expect-error the state has no such member
          t.equal(state.closed, undefined)
          // @ts-expect-error the config has no such member
          t.equal(config.files, undefined)
          // @ts-expect-error the input has no such member
          t.equal(name.last, undefined)
          return `${text}/${name} ${open.toFixed()}`
        },
      }),
    }),
    tasks: { watch: ({ state }) => state?.open.toFixed() },
    timers: { tidy: { everyMs: 1_000, run: ({ config }) => config.depth.toFixed() } },
    onThreadStop: ({ state }) => state.open.toFixed(),
  })
  t.ok(isServiceDefinition(definition))
  const { look } = definition.methods
  const context = { state: { open: 4 }, config: { folder: 'docs', depth: 3 } } as Parameters<typeof look.handler>[1]
  t.equal(await look.handler({ name: 'a' }, context), 'docs/a 4')
  // @ts-expect-error a payload of the wrong type
  t.throws(() => look.handler(undefined, context))
  // @ts-expect-error the result is text
  const result: number | Promise<number> = look.handler({ name: 'a' }, context)
  t.type(result, 'string')
})

t.test('without a schema there is no config, and without the hook no state', async (t) => {
  const { methods } = defineService({
    methods: (method) => ({
      show: method({ handler: (_input, { state, config }) => [state satisfies undefined, config satisfies undefined] }),
    }),
  })
  t.ok(methods.show)
})

t.test('methods may be an object: then the handlers say themselves what their state is', async (t) => {
  const { methods } = defineService({
    onThreadStarted: () => 5,
    onThreadStop: ({ state }) => state.toFixed(),
    methods: { show: method({ input: z.object({ name: z.string() }), handler: ({ name }) => name }) },
  })
  const { show } = methods
  const context = { state: 5 } as Parameters<typeof show.handler>[1]
  t.equal(await show.handler({ name: 'a' }, context), 'a')
  // @ts-expect-error a payload of the wrong type
  t.equal(await show.handler({ name: 5 }, context), 5)
})
