/** The smallest service there is: what is measured is all that happens around it. */
import { defineService, method } from 'threadplane'
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
