/** Has a refinement, so that only its thread can refuse a wrong payload. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  methods: {
    even: method({
      input: z.object({ n: z.number().refine((n) => n % 2 === 0, 'It is odd') }),
      maxAttempts: 3,
      backoffMs: 1,
      handler: ({ n }) => n,
    }),
  },
})
