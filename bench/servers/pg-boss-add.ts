/** A route that adds a job with pg-boss. */
import { serveAdd } from './add-route.ts'
import { QUEUE, startBoss } from './pg-boss.ts'

const boss = await startBoss()
await serveAdd(
  (numbers) => boss.send(QUEUE, numbers),
  () => boss.getQueueSize(QUEUE),
)
