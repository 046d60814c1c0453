/** Runs out of memory in a way that aborts the whole process. */
import { defineService, method } from 'threadplane/service'

export default defineService({
  limits: { maxOldGenerationSizeMb: 32 },
  methods: {
    echo: method({ handler: (payload) => payload }),
    hoard: method({
      maxAttempts: 1,
      handler: () => {
        new Array(5e7).fill({})
      },
    }),
  },
})
