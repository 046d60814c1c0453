/**
 * Its methods wait until the test, or the method `release`, opens their gate. They log when they begin and are aborted.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { BroadcastChannel } from 'node:worker_threads'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const gates = new Map<string, { promise: Promise<void>; open: () => void }>()

function gate(token: string) {
  const known = gates.get(token)
  if (known !== undefined) return known
  let open = () => {}
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  gates.set(token, { promise, open })
  return { promise, open }
}

const channel = new BroadcastChannel('open gate')
channel.onmessage = (message: unknown) => gate((message as { data: string }).data).open()
;(channel as unknown as NodeJS.Timeout).unref()

const input = z.object({ token: z.string() })

export default defineService({
  numWorkers: 8,
  cancelGraceMs: 20,
  shutdownTimeoutMs: 5_000,
  restart: { backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    hold: method({
      input,
      handler: async ({ token }, { signal, logger, job }) => {
        logger.info({ token, attempt: job.attempt }, 'begun')
        const aborted = new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => {
            logger.info({ token, reason: (signal.reason as Error).message }, 'aborted')
            reject(signal.reason as Error)
          })
        })
        await Promise.race([gate(token).promise, aborted])
        return token
      },
    }),
    stubborn: method({
      input,
      handler: async ({ token }, { signal, logger }) => {
        logger.info({ token }, 'begun')
        signal.addEventListener('abort', () => logger.info({ token }, 'aborted'))
        await gate(token).promise
        return token
      },
    }),
    release: method({ input, handler: ({ token }) => gate(token).open() }),
    progress: method({
      input,
      handler: async ({ token }, { progress, logger }) => {
        progress(0.5, 'half')
        logger.info({ token }, 'begun')
        await gate(token).promise
      },
    }),
    nap: method({ handler: async (payload) => sleep((payload as { ms?: number } | null)?.ms ?? 1, 'rested') }),
  },
})
