/** Sends letters, a few at a time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  description: 'Letters to customers',
  methods: {
    send: method({
      description: 'Sends one letter',
      input: z.object({
        to: z.email(),
        template: z.enum(['welcome', 'reminder', 'receipt']),
        text: z.string().optional(),
      }),
      maxAttempts: 2,
      backoffMs: 50,
      handler: async ({ to, template }, { logger }) => {
        await sleep(5)
        if (to.endsWith('.invalid')) throw new Error(`450 the mailbox ${to} is not available`)
        logger.info({ to, template }, 'sent')
        return { accepted: [to] }
      },
    }),
  },
})
