/** Each method logs its payload at the level that it is named after. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const text = z.string()

export default defineService({
  methods: {
    debug: method({ input: text, handler: (line, { logger }) => logger.debug(line) }),
    info: method({ input: text, handler: (line, { logger }) => logger.info(line) }),
    error: method({ input: text, handler: (line, { logger }) => logger.error(line) }),
  },
})
