/** Throws at import while the environment variable `FAILS_AT_IMPORT` is set. */
import { defineService, method } from 'threadplane/service'

if (process.env.FAILS_AT_IMPORT) throw new Error(`could not be imported: ${process.env.FAILS_AT_IMPORT}`)

export default defineService({
  restart: { maxRestarts: 1, backoffMs: 1, backoffMaxMs: 1 },
  methods: { go: method({ handler: () => 'went' }) },
})
