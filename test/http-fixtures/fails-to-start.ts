/** Fails to start while the environment variable `FAILS_TO_START` is set. A thread has a copy of the environment. */
import { defineService, method } from 'threadplane/service'

export default defineService({
  restart: { backoffMs: 600_000, backoffMaxMs: 600_000 },
  methods: { go: method({ handler: () => 'went' }) },
  onThreadStarted: () => {
    if (process.env.FAILS_TO_START) throw new Error(`could not start: ${process.env.FAILS_TO_START}`)
  },
})
