/** One of its methods is sensitive. */
import { defineService, method } from 'threadplane/service'

export default defineService({
  methods: {
    secret: method({ sensitive: true, handler: () => ({ token: 'hidden' }) }),
    open: method({ handler: () => 'shown' }),
  },
})
