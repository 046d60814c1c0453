/** Its stop waits until the test lets it go on. */
import { BroadcastChannel } from 'node:worker_threads'
import { defineService, method } from 'threadplane/service'

export default defineService({
  methods: { go: method({ handler: (_payload, { job }) => job.attempt }) },
  onThreadStop: async ({ name, logger }) => {
    const channel = new BroadcastChannel(`let go: ${name}`)
    const letGo = new Promise((resolve) => {
      channel.onmessage = resolve
    })
    logger.info('waits to stop')
    await letGo
    channel.close()
  },
})
