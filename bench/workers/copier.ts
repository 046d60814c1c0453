/** Copies a folder, as a backup does: it opens and closes each file in it. */
import { cpSync } from 'node:fs'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  methods: {
    copy: method({
      input: z.object({ from: z.string(), to: z.string() }),
      handler: ({ from, to }) => cpSync(from, to, { recursive: true }),
    }),
  },
})
