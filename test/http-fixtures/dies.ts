/** Its methods end their thread, each in a different way. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const retries = { maxAttempts: 3, backoffMs: 1, backoffMaxMs: 2 }

export default defineService({
  cancelGraceMs: 20,
  restart: { maxRestarts: 100, backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    exit: method({ ...retries, handler: () => process.exit(3) }),
    throwLater: method({
      ...retries,
      handler: async () => {
        setImmediate(() => {
          throw new Error('thrown beside the method')
        })
        await new Promise(() => {})
      },
    }),
    spin: method({
      ...retries,
      timeoutMs: 50,
      handler: () => {
        for (;;);
      },
    }),
    /** Ends its thread in the first attempts. */
    recovers: method({
      ...retries,
      input: z.object({ deaths: z.int() }),
      handler: ({ deaths }, { job }) => (job.attempt <= deaths ? process.exit(3) : job.attempt),
    }),
  },
})
