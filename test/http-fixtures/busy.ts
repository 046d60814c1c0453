/** Its methods keep their thread busy, each in a different way. */
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { defineService, method } from 'threadplane/service'

export default defineService({
  threads: 2,
  numWorkers: 1,
  cancelGraceMs: 100,
  shutdownTimeoutMs: 100,
  restart: { backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    /** Blocks the event loop until its deadline, when its thread is replaced. */
    loop: method({
      timeoutMs: 300,
      maxAttempts: 1,
      handler: async (_payload, { logger }) => {
        logger.info('loops')
        await sleep(10)
        for (;;);
      },
    }),
    /** Blocks the event loop, with the default deadline of 30 s. */
    loopLong: method({
      handler: async (_payload, { logger }) => {
        logger.info('loops for long')
        await sleep(10)
        for (;;);
      },
    }),
    /** Ends after 200 ms, if its event loop is not blocked. */
    nap: method({ maxAttempts: 1, backoffMs: 1, handler: async (_payload, { job }) => sleep(200, job.attempt) }),
    wait: method({
      handler: (_payload, { logger }) => {
        logger.info('waits')
        return new Promise(() => {})
      },
    }),
    quick: method({ handler: (payload) => payload }),
    /** Posts a message to the control thread although the package guards `parentPort`. */
    post: method({
      handler: (payload, { logger }) => {
        logger.info('posts')
        MessagePort.prototype.postMessage.call(parentPort, payload)
        return new Promise(() => {})
      },
    }),
  },
})
