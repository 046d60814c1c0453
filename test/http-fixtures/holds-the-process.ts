/** Makes it hard to end the process. */
import { execSync } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineService, method } from 'threadplane'
import { z } from 'zod'

export default defineService({
  numWorkers: 8,
  shutdownTimeoutMs: process.env.THREADPLANE_SHUTDOWN_TIMEOUT === '20s' ? 100 : 10_000,
  methods: {
    /** Until there is a file: no call is taken any more that could say so. */
    hold: method({
      handler: async (_payload, { logger }) => {
        logger.info('held')
        while (!existsSync('let-go')) await sleep(10)
        return 'held to the end'
      },
    }),
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
    /** The same, and another process is waited for. */
    sleep: method({
      handler: (_payload, { logger }) => {
        logger.info('sleeps')
        setImmediate(() => execSync('sleep 600'))
      },
    }),
  },
})
