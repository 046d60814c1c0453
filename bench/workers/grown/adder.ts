/** Adds two numbers: next to no work for a thread, or about a millisecond of work that a hash of a megabyte takes. */
import { createHash } from 'node:crypto'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const input = z.object({ a: z.number(), b: z.number() })
const output = z.object({ sum: z.number() })
const megabyte = Buffer.alloc(1_000_000)

export default defineService({
  methods: {
    add: method({ input, output, handler: ({ a, b }) => ({ sum: a + b }) }),
    hash: method({
      input,
      output,
      handler: ({ a, b }) => {
        createHash('sha256').update(megabyte).digest()
        return { sum: a + b }
      },
    }),
  },
})
