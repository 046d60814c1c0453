/** Logs a few lines, or more than are kept; its methods run for as long as they are told. */
import { setTimeout as sleep } from 'node:timers/promises'
import { defineService, method } from 'threadplane/service'

export default defineService({
  methods: {
    levels: method({
      handler: (_payload, { logger }) => {
        logger.info({ dropped: 1_000_000 }, 'info')
        logger.warn('warn')
        logger.warn('warn again')
        logger.debug('debug')
      },
    }),
    flood: method({
      handler: (more, { logger }) => {
        for (let line = 0; line < 1_500; line += 1) logger.error(`line ${line}${typeof more === 'string' ? more : ''}`)
      },
    }),
    fails: method({
      backoffMs: 1,
      backoffMaxMs: 1,
      handler: (lines, { logger }) => {
        for (let line = 0; line < Number(lines); line += 1) logger.info(`line ${line}`)
        throw new Error('after its last line')
      },
    }),
    takes: method({ handler: (ms) => sleep(Number(ms)) }),
    quick: method({ handler: () => null }),
  },
})
