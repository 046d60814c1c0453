/** Appends a character to the file `naps` for each call that has run to its end. */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineService, method } from 'threadplane/service'

export default defineService({
  numWorkers: 8,
  methods: {
    nap: method({
      handler: async () => {
        await sleep(5)
        appendFileSync('naps', '.')
      },
    }),
  },
})
