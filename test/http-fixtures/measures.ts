/** Its methods return the size, type and content type of their payload. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  numWorkers: 1,
  restart: { backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    text: method({
      input: z.object({ text: z.string(), times: z.int().optional() }),
      handler: ({ text }, { contentType }) => ({ length: text.length, end: text.slice(-3), contentType }),
    }),
    any: method({ handler: (payload) => (Array.isArray(payload) ? payload.length : typeof payload) }),
    numbers: method({ input: z.array(z.number()), handler: (numbers) => numbers.length }),
    wait: method({
      handler: (_payload, { logger }) => {
        logger.info('begun')
        return new Promise(() => {})
      },
    }),
  },
})
