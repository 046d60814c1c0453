/** Its thread exits as soon as it has started, after each restart. */
import { defineService, method } from 'threadplane/service'

export default defineService({
  restart: { maxRestarts: 3, backoffMs: 1, backoffMaxMs: 1 },
  timers: { end: { everyMs: 1, run: () => process.exit(3) } },
  methods: {
    never: method({ handler: () => new Promise(() => {}) }),
  },
})
