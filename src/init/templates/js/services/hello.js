import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  description: 'Greets people',
  methods: {
    greet: method({
      description: 'A greeting by name',
      input: z.object({ name: z.string().min(1).max(100) }),
      output: z.object({ greeting: z.string() }),
      handler: ({ name }, { logger }) => {
        logger.info('greeting')
        return { greeting: `Hello, ${name}!` }
      },
    }),
  },
})
