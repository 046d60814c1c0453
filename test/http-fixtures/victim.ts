/** Returns its payload; after a crash it is restarted quickly. */
import { defineService, method } from 'threadplane/service'

export default defineService({
  restart: { backoffMs: 1, backoffMaxMs: 20 },
  methods: { run: method({ timeoutMs: 500, backoffMs: 10, handler: (payload) => payload }) },
})
