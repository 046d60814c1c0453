/**
 * Opens what a server keeps: in the data folder, or in a database that several servers share. What belongs to a database is
 * loaded only then.
 */
import type { AuditStore } from '../contract/audit.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { ClusterNode } from '../cluster/cluster-node.ts'
import type { Membership } from '../cluster/membership.ts'
import type { Run } from '../cluster/statement.ts'
import { packageVersion } from '../system/package-version.ts'
import type { JobStore } from '../jobs/job-store.ts'
import { makeFolder } from '../registry/data-folder.ts'
import { RegistrationFile } from '../registry/registration-file.ts'
import type { RegistrationStore } from '../registry/registration-store.ts'
import type { MetricsOptions } from '../scrape/metrics.ts'
import { Journal } from '../sqlite/journal.ts'
import type { DatabaseOptions } from './options.ts'

export interface OpenStore {
  store: JobStore & AuditStore & MetricsOptions['journal']
  registrations: RegistrationStore
  /** What an accepted job survives, to be shown. */
  durability: string | undefined
  /** This server among others; `undefined`: it is alone. */
  shared: { node: ClusterNode; membership: Membership; run: Run } | undefined
}

export interface StoreOptions {
  /** The data folder. */
  folder: string
  database: DatabaseOptions | undefined
  keepJobsMs: number
  log: ServiceLog
}

/** @throws if the data folder or the database cannot be used */
export async function openStore({ folder, database, keepJobsMs, log }: StoreOptions): Promise<OpenStore> {
  if (database !== undefined) {
    await makeFolder(folder)
    return openDatabase(database, keepJobsMs, log)
  }
  // Its error names the file: nothing is open yet that would have to be closed.
  const registrations = await RegistrationFile.open(folder)
  const store = await Journal.open({ folder, log, keepJobsMs })
  return { store, registrations, durability: undefined, shared: undefined }
}

async function openDatabase(database: DatabaseOptions, keepJobsMs: number, log: ServiceLog): Promise<OpenStore> {
  const [{ PgStore }, { readDurability }, { joinCluster }] = await Promise.all([
    import('../cluster/pg-store.ts'),
    import('../cluster/durability.ts'),
    import('../cluster/join-cluster.ts'),
  ])
  const { url, schema = 'threadplane', connections = 6, allowUnsafe = false, node, leaseMs, hints = true } = database
  const options = { url, schema, connections, log }
  const version = packageVersion()
  const store = await PgStore.open({ ...options, node, version, keepJobsMs, ...(leaseMs !== undefined && { leaseMs }) })
  try {
    const { safe, text } = await readDurability(store.database.run)
    const durability = `an accepted job ${text}`
    if (!safe && !allowUnsafe) throw new Error(`${durability}. THREADPLANE_UNSAFE_DATABASE=true allows that`)
    if (safe) log.info(`jobs are kept in a database: ${durability}`)
    else log.warn(`jobs are kept in a database: ${durability}`)
    const { node: joined, registrations } = await joinCluster(store, options, hints)
    return {
      store,
      registrations,
      durability,
      shared: { node: joined, membership: store.membership, run: store.database.run },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}
