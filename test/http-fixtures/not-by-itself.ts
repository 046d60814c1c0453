/** Does not start with the server. */
import { defineService, method } from 'threadplane/service'

export default defineService({ autostart: false, methods: { go: method({ handler: () => 'went' }) } })
