/** Its methods throw. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const failures = new Map<string, number>()

const retries = { maxAttempts: 3, backoffMs: 1, backoffMaxMs: 2 }

export default defineService({
  methods: {
    throws: method({
      ...retries,
      handler: () => {
        throw Object.assign(new RangeError('no such luck'), { code: 'E_LUCK' })
      },
    }),
    throwsText: method({
      ...retries,
      handler: () => {
        throw 'just text'
      },
    }),
    notRetryable: method({
      ...retries,
      handler: () => {
        throw Object.assign(new Error('never again'), { retryable: false })
      },
    }),
    flaky: method({
      ...retries,
      input: z.object({ token: z.string(), failures: z.int() }),
      handler: ({ token, failures: wanted }, { job }) => {
        const failed = failures.get(token) ?? 0
        failures.set(token, failed + 1)
        if (failed < wanted) throw new Error(`failure ${failed + 1}`)
        return job.attempt
      },
    }),
  },
})
