/** Renders invoices, and refuses some of them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  description: 'Invoices as PDF, and their totals',
  methods: {
    render: method({
      description: 'The PDF of an invoice, at the address of its customer',
      input: z.object({
        invoice: z.string().describe('Number of the invoice'),
        locale: z.enum(['de', 'en', 'fr', 'he']).default('en').describe('Language of the text'),
        customer: z.string().optional(),
        copies: z.int().min(1).max(20).default(1),
        draft: z.boolean().default(false),
      }),
      output: z.object({ pages: z.int(), bytes: z.int() }),
      timeoutMs: 30_000,
      maxAttempts: 3,
      backoffMs: 200,
      handler: async ({ invoice, locale, copies }, { logger, progress, signal }) => {
        logger.info({ invoice, locale }, 'rendering')
        for (let page = 1; page <= 4; page += 1) {
          await sleep(60 + Math.random() * 120, undefined, { signal })
          progress(page / 4, `page ${page} of 4`)
        }
        if (locale === 'he') {
          logger.error({ invoice }, 'no font has these letters')
          throw new RangeError(`no font has the letters of invoice ${invoice}`)
        }
        return { pages: 4 * copies, bytes: 48_213 * copies }
      },
    }),
    total: method({
      description: 'The sum of an account over a month',
      input: z.object({ account: z.string(), month: z.string().regex(/^\d{4}-\d{2}$/) }),
      handler: ({ account, month }) => ({ account, month, total: '1,204.50', currency: 'EUR' }),
    }),
    purge: method({ description: 'Deletes drafts that are older than 30 days', handler: () => ({ deleted: 12 }) }),
  },
})
