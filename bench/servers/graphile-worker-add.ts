/** A route that adds a job with Graphile Worker. */
import { serveAdd } from './add-route.ts'
import { left, makeWorkerUtils, TASK } from './graphile-worker.ts'

const connectionString = process.env.DATABASE_URL ?? ''
const utils = await makeWorkerUtils({ preset: { worker: { connectionString } } })
await utils.migrate()
await serveAdd(
  async (numbers) => (await utils.addJob(TASK, numbers)).id,
  () => left(utils),
)
