/** Starts only when told to. */
import { defineService, method } from 'threadplane'

export default defineService({ autostart: false, methods: { go: method({ handler: () => 'went' }) } })
