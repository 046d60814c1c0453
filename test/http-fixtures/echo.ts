/** Its methods return their payload, or a value that the payload describes. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  description: 'Echoes',
  maxResultBytes: 10_000,
  restart: { backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    any: method({ handler: (payload) => payload }),
    byName: method({
      description: 'Takes members',
      input: z.object({ name: z.string(), times: z.int().min(1).default(1) }),
      output: z.string(),
      handler: ({ name, times }) => name.repeat(times),
    }),
    byPosition: method({ input: z.tuple([z.number(), z.number()]), handler: ([a, b]) => a - b }),
    scalar: method({ input: z.number(), output: z.number(), handler: (n) => n + 1 }),
    nothing: method({ handler: () => undefined }),
    job: method({ handler: (_payload, { job }) => job }),
    sized: method({ input: z.int(), handler: (length) => 'x'.repeat(length) }),
    cyclic: method({
      handler: () => {
        const cycle: Record<string, unknown> = {}
        cycle.self = cycle
        return cycle
      },
    }),
    bigint: method({ handler: () => 1n }),
    wrongResult: method({ output: z.object({ n: z.number() }), handler: () => ({ n: 'one' }) as never }),
  },
})
