/** Writes down every run of every job, so that what ran can be compared with what was recorded. */
import { appendFileSync } from 'node:fs'
import { defineService, method } from 'threadplane'
import { z } from 'zod'

export default defineService({
  methods: {
    run: method({
      input: z.object({ file: z.string() }),
      handler: ({ file }, { job }) => {
        appendFileSync(file, `${job.id} ${job.attempt}\n`)
        return job.attempt
      },
    }),
  },
})
