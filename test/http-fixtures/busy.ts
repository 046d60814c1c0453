/** Keeps its thread busy in one way or another. */
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { defineService, method } from 'threadplane'

export default defineService({
  threads: 2,
  numWorkers: 1,
  cancelGraceMs: 100,
  restart: { backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    /** For ever, and its thread does nothing else. */
    loop: method({
      timeoutMs: 300,
      maxAttempts: 1,
      handler: async (_payload, { logger }) => {
        logger.info('loops')
        await sleep(10)
        for (;;);
      },
    }),
    /** As that, and nobody ends it soon. */
    loopLong: method({
      handler: async (_payload, { logger }) => {
        logger.info('loops for long')
        await sleep(10)
        for (;;);
      },
    }),
    /** Its turn of the event loop comes, or not. */
    nap: method({ maxAttempts: 1, backoffMs: 1, handler: async (_payload, { job }) => sleep(200, job.attempt) }),
    wait: method({
      handler: (_payload, { logger }) => {
        logger.info('waits')
        return new Promise(() => {})
      },
    }),
    quick: method({ handler: (payload) => payload }),
    /** Past the package, which alone is to post. */
    post: method({
      handler: (payload, { logger }) => {
        logger.info('posts')
        MessagePort.prototype.postMessage.call(parentPort, payload)
        return new Promise(() => {})
      },
    }),
  },
})
