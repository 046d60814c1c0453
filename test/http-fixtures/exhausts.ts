/** Takes memory that V8 does not limit, or crashes its process natively. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const hoard: unknown[] = []

export default defineService({
  isolation: 'process',
  limits: { maxRssMb: 300 },
  restart: { maxRestarts: 100, backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    pid: method({ handler: () => process.pid }),
    buffers: method({
      handler: () => {
        for (;;) hoard.push(Buffer.alloc(10_000_000, 1))
      },
    }),
    /** Crashes in the first attempts. */
    crashes: method({
      input: z.object({ deaths: z.int() }),
      maxAttempts: 3,
      backoffMs: 1,
      handler: ({ deaths }, { job }) => {
        if (job.attempt > deaths) return job.attempt
        process.kill(process.pid, 'SIGSEGV')
        for (;;);
      },
    }),
  },
})
