/** Opens the store of jobs: the journal in the data folder, or the database, which is loaded only then. */
import { hostname } from 'node:os'
import { type AuditStore } from '../contract/audit.ts'
import type { ServiceLog } from '../contract/log.ts'
import { uuidv7 } from '../contract/uuidv7.ts'
import type { JobStore } from '../jobs/job-store.ts'
import type { MetricsOptions } from '../scrape/metrics.ts'
import { Journal } from '../sqlite/journal.ts'
import type { DatabaseOptions } from './options.ts'

export interface OpenStore {
  store: JobStore & AuditStore & MetricsOptions['journal']
  /** What an accepted job survives, to be shown. */
  durability: string | undefined
}

export interface StoreOptions {
  /** The folder of the journal. */
  folder: string
  database: DatabaseOptions | undefined
  keepJobsMs: number
  log: ServiceLog
}

/** @throws if the data folder or the database cannot be used */
export async function openStore({ folder, database, keepJobsMs, log }: StoreOptions): Promise<OpenStore> {
  if (database === undefined) return { store: await Journal.open({ folder, log, keepJobsMs }), durability: undefined }
  const [{ PgStore }, { readDurability }] = await Promise.all([
    import('../cluster/pg-store.ts'),
    import('../cluster/durability.ts'),
  ])
  const { url, schema = 'threadplane', connections = 6, allowUnsafe = false } = database
  const store = await PgStore.open({
    url,
    schema,
    connections,
    node: { id: uuidv7(), name: hostname() },
    keepJobsMs,
    log,
  })
  try {
    const { safe, text } = await readDurability(store.database.run)
    const durability = `an accepted job ${text}`
    if (!safe && !allowUnsafe) throw new Error(`${durability}. THREADPLANE_UNSAFE_DATABASE=true allows that`)
    if (safe) log.info(`jobs are kept in a database: ${durability}`)
    else log.warn(`jobs are kept in a database: ${durability}`)
    return { store, durability }
  } catch (error) {
    await store.close()
    throw error
  }
}
