/** Its methods make it hard to end the process: they wait, loop, or block in native code. */
import { execSync } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  numWorkers: 8,
  shutdownTimeoutMs: process.env.THREADPLANE_SHUTDOWN_TIMEOUT === '20s' ? 100 : 10_000,
  methods: {
    /** Ends when the file `let-go` exists. While the server closes, no call could release the method. */
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
    /** Blocks in native code, which cannot be interrupted: opens a FIFO that nothing writes. */
    block: method({
      input: z.object({ fifo: z.string() }),
      handler: ({ fifo }, { logger }) => {
        logger.info('blocks')
        setImmediate(() => openSync(fifo, 'r'))
      },
    }),
    /** Blocks in native code: waits for another process. */
    sleep: method({
      handler: (_payload, { logger }) => {
        logger.info('sleeps')
        setImmediate(() => execSync('sleep 600'))
      },
    }),
  },
})
