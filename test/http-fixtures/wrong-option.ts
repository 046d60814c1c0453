/** Has an option that does not exist. */
import { defineService, method } from 'threadplane/service'

export default defineService({ thread: 2, methods: { go: method({ handler: () => 1 }) } } as never)
