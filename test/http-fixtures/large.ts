/** Results of any size. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  maxResultBytes: 100_000_000,
  methods: { text: method({ input: z.int(), handler: (length) => 'x'.repeat(length) }) },
})
