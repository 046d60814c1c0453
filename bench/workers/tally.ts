/** Writes every run of every job to a file, so that the runs can be compared with the recorded attempts. */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  methods: {
    run: method({
      input: z.object({ file: z.string(), ms: z.number() }),
      handler: async ({ file, ms }, { job }) => {
        appendFileSync(file, `${job.id} ${job.attempt} ${process.pid} ${Date.now()}\n`)
        if (ms > 0) await sleep(ms)
        return job.attempt
      },
    }),
  },
})
