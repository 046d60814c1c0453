/** A service that does next to nothing, so that everything around it is measured. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  description: 'Adds two numbers',
  methods: {
    add: method({
      input: z.object({ a: z.number(), b: z.number() }),
      output: z.object({ sum: z.number() }),
      handler: ({ a, b }) => ({ sum: a + b }),
    }),
  },
})
