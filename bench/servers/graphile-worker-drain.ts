/**
 * Graphile Worker drains a backlog.
 *
 *     graphile-worker-drain.js <jobs>
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Numbers } from '../pools/pools.ts'
import { measureDrain } from './backlog.ts'
import { left, makeWorkerUtils, run, TASK } from './graphile-worker.ts'

const POLL_MS = 20

/** The configuration that its authors publish their figures with. Source: https://worker.graphile.org/docs/performance */
const worker = {
  connectionString: process.env.DATABASE_URL ?? '',
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
}

const jobs = Number(process.argv[2])
const utils = await makeWorkerUtils({ preset: { worker } })
await utils.migrate()
await measureDrain(jobs, {
  add: (bulk) => utils.addJobs(bulk.map((payload) => ({ identifier: TASK, payload }))),
  drain: async () => {
    let toRun = jobs
    const add = ({ a, b }: Numbers) => {
      toRun -= 1
      return { sum: a + b }
    }
    await run({ preset: { worker }, taskList: { [TASK]: add } })
    while (toRun > 0 || (await left(utils)) > 0) await sleep(POLL_MS)
  },
  succeeded: async () => jobs - (await left(utils)),
})
