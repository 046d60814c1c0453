/** Imports only what defines a service, not the whole of `threadplane`: its threads start faster. */
import { defineService, method } from '../../src/module/define-service.ts'

export default defineService({
  restart: { backoffMs: 1, backoffMaxMs: 1 },
  methods: { go: method({ handler: () => 'went' }) },
})
