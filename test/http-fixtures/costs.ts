/** Methods that end or block their thread, and bystanders: methods that must lose nothing by that. */
import { setTimeout as sleep } from 'node:timers/promises'
import { BroadcastChannel } from 'node:worker_threads'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const input = z.object({ token: z.string() })
const retries = { maxAttempts: 3, backoffMs: 1, backoffMaxMs: 2 }

const channel = new BroadcastChannel('open gate')
const opened = new Map<string, () => void>()
channel.onmessage = (message: unknown) => opened.get((message as { data: string }).data)?.()
;(channel as unknown as NodeJS.Timeout).unref()

let running = 0

export default defineService({
  numWorkers: 4,
  cancelGraceMs: 20,
  restart: { maxRestarts: 3, backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    /** Ends its thread: when its gate is opened, if other methods run beside it; at once, if it runs alone. */
    poison: method({
      ...retries,
      input,
      handler: async ({ token }, { logger }) => {
        running += 1
        const beside = running
        logger.info({ token, beside }, 'begun')
        if (beside > 1) await new Promise<void>((resolve) => opened.set(token, resolve))
        process.exit(3)
      },
    }),
    /** Ends when its gate is opened; in a later attempt at once, if it runs alone. */
    bystander: method({
      ...retries,
      input,
      handler: async ({ token }, { logger, job }) => {
        running += 1
        logger.info({ token, attempt: job.attempt, beside: running }, 'begun')
        const alone = job.attempt > 1 && running === 1
        if (!alone) await new Promise<void>((resolve) => opened.set(token, resolve))
        running -= 1
        return job.attempt
      },
    }),
    spin: method({
      ...retries,
      maxAttempts: 1,
      // Enough for a thread on a busy machine to say that it has begun.
      timeoutMs: 1_000,
      input,
      handler: async ({ token }, { logger }) => {
        logger.info({ token }, 'begun')
        await sleep(1)
        for (;;);
      },
    }),
    stubborn: method({
      ...retries,
      input,
      handler: async ({ token }, { signal, logger }) => {
        signal.addEventListener('abort', () => logger.info({ token }, 'aborted'))
        logger.info({ token }, 'begun')
        await new Promise<void>((resolve) => opened.set(token, resolve))
      },
    }),
    fails: method({
      ...retries,
      handler: () => {
        throw new Error('it fails')
      },
    }),
    nap: method({ ...retries, handler: async () => sleep(1, 'rested') }),
  },
})
