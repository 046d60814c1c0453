/** Opens what nodes share beside their jobs: registrations, and hints. */
import { unlessAborted } from '../async/deadline.ts'
import { ClusterNode } from './cluster-node.ts'
import { connectionsTo } from './connections.ts'
import type { DatabaseOptions } from './database.ts'
import { Hints } from './hints.ts'
import { PgRegistrations } from './pg-registrations.ts'
import type { PgStore } from './pg-store.ts'

/** @param hears false: this node hears no hints of others. Only tests set that: everything is right without. */
export async function joinCluster(
  store: PgStore,
  options: Omit<DatabaseOptions, 'applicationName'>,
  hears: boolean,
): Promise<{ node: ClusterNode; registrations: PgRegistrations }> {
  const { database, membership } = store
  const { id } = membership.self
  const { connect } = await connectionsTo({ ...options, applicationName: `threadplane ${id} listens` })
  const hints = new Hints({
    node: id,
    schema: options.schema,
    run: database.run,
    // After an outage, statements come first.
    connect: hears ? (signal) => unlessAborted(database.untilUp, signal).then(connect) : undefined,
  })
  const registrations = new PgRegistrations(database.run, hints)
  const node = new ClusterNode({ store, hints, registrations, log: options.log })
  return { node, registrations }
}
