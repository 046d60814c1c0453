/** Its methods return streams, which end, fail or misbehave each in a different way. */
import { setTimeout as sleep } from 'node:timers/promises'
import { defineService, method, stream } from 'threadplane/service'
import { z } from 'zod'

let produced = 0

export default defineService({
  numWorkers: 2,
  cancelGraceMs: 20,
  maxResultBytes: 100_000,
  restart: { backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    count: method({
      description: 'From 1',
      input: z.object({ to: z.int(), last: z.enum(['throw', 'lie', 'exit', 'hold']).optional() }),
      output: stream(z.object({ n: z.int() })),
      handler: async function* ({ to, last }, { signal, logger }) {
        try {
          for (let n = 1; n <= to; n += 1) yield { n }
          if (last === 'throw') throw new RangeError('no more')
          if (last === 'lie') yield { n: 'many' } as never
          if (last === 'exit') {
            await sleep(1)
            process.exit(3)
          }
          if (last === 'hold') await new Promise((resolve) => signal.addEventListener('abort', resolve))
          if (last === 'hold') yield { n: 0 }
        } finally {
          logger.info('returned')
        }
      },
    }),
    /** A hundred megabytes, of which only a few may be in memory at a time. */
    large: method({
      output: stream(z.string()),
      handler: async function* () {
        const item = 'x'.repeat(20_000)
        for (produced = 0; produced < 5_000; produced += 1) yield item
      },
    }),
    produced: method({ handler: () => produced }),
    tooLarge: method({
      output: stream(z.string()),
      handler: async function* () {
        yield 'x'
        yield 'x'.repeat(100_000)
      },
    }),
  },
})
