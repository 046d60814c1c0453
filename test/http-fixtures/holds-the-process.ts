/** Makes it hard to end the process. */
import { openSync } from 'node:fs'
import { defineService, method } from 'threadplane'
import { z } from 'zod'

let letGo = () => {}
const gate = new Promise<void>((resolve) => {
  letGo = resolve
})

export default defineService({
  numWorkers: 8,
  methods: {
    hold: method({
      handler: async (_payload, { logger }) => {
        logger.info('held')
        await gate
        return 'held to the end'
      },
    }),
    letGo: method({ handler: () => letGo() }),
    loop: method({
      handler: (_payload, { logger }) => {
        logger.info('loops')
        setImmediate(() => {
          for (;;);
        })
      },
    }),
    /** In native code, which nothing interrupts: a FIFO that nobody writes. */
    block: method({
      input: z.object({ fifo: z.string() }),
      handler: ({ fifo }, { logger }) => {
        logger.info('blocks')
        setImmediate(() => openSync(fifo, 'r'))
      },
    }),
  },
})
