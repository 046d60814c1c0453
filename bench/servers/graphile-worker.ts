/** The part of Graphile Worker that is used here, with types. */
import { importPeer } from '../harness/peers.ts'
import type { Numbers } from '../pools/pools.ts'

interface Preset {
  worker: {
    connectionString: string
    maxPoolSize?: number
    concurrentJobs?: number
    localQueue?: { size: number }
    completeJobBatchDelay?: number
    failJobBatchDelay?: number
  }
}

interface Client {
  query: <Row>(text: string) => Promise<{ rows: Row[] }>
}

interface WorkerUtils {
  migrate: () => Promise<void>
  addJob: (task: string, payload: Numbers) => Promise<{ id: string }>
  addJobs: (jobs: { identifier: string; payload: Numbers }[]) => Promise<unknown>
  withPgClient: <T>(work: (client: Client) => Promise<T>) => Promise<T>
}

interface Graphile {
  makeWorkerUtils: (options: { preset: Preset }) => Promise<WorkerUtils>
  run: (options: { preset: Preset; taskList: Record<string, (payload: Numbers) => unknown> }) => Promise<unknown>
}

export const { makeWorkerUtils, run } = (await importPeer('graphile-worker')) as Graphile

export const TASK = 'add'

/** The jobs that are not finished, or have failed: a job that has succeeded is deleted. */
export async function left({ withPgClient }: WorkerUtils): Promise<number> {
  const { rows } = await withPgClient((client) =>
    client.query<{ jobs: string }>('SELECT count(*) AS jobs FROM graphile_worker.jobs'),
  )
  return Number(rows[0]?.jobs)
}
