/** Has as many methods as a generated module may have. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const input = z.object({ id: z.int(), name: z.string().max(100), tags: z.array(z.string()).optional() })

export default defineService({
  methods: Object.fromEntries(
    Array.from({ length: 2_000 }, (_, at) => [`method${at}`, method({ input, handler: () => null })]),
  ),
})
