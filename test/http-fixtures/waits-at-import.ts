/** Its import waits until the test lets it go on. */
import { BroadcastChannel, workerData } from 'node:worker_threads'
import { defineService, method } from 'threadplane/service'

const channel = new BroadcastChannel(`let go: ${(workerData as { service: string }).service}`)
const letGo = new Promise((resolve) => {
  channel.onmessage = resolve
})
console.log('waits at import')
await letGo
channel.close()

export default defineService({
  methods: { go: method({ handler: (_payload, { logger }) => logger.info('go has run') }) },
})
