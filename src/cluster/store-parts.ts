/** The parts of the store, one for each topic, over one database. */
import type { ServiceLog } from '../contract/log.ts'
import type { RetentionLimits } from '../jobs/store-limits.ts'
import { JobAcceptance } from './accept.ts'
import { AuditTable } from './audit.ts'
import { AuditRetention } from './audit-retention.ts'
import { BulkChoice } from './bulk.ts'
import { JobCounts } from './counts.ts'
import type { NodeIdentity } from './cluster.ts'
import type { Database } from './database.ts'
import { JobKinds } from './job-kinds.ts'
import { JobLists } from './lists.ts'
import { Membership } from './membership.ts'
import { Outcomes } from './outcomes.ts'
import { OwnAttempts } from './own-attempts.ts'
import { EndedJobs } from './requeue.ts'
import { Retention } from './retention.ts'
import { ScheduleTable } from './schedules.ts'
import type { Run } from './statement.ts'
import { StoreClock } from './store-clock.ts'
import { StoreMeter } from './store-meter.ts'
import { JobTaking } from './take.ts'
import { timings } from './timings.ts'
import { Upkeep } from './upkeep.ts'
import { JobsWaiting } from './waiting.ts'

export interface NodeOptions {
  node: NodeIdentity
  /** The version of the package. */
  version: string
  /** A node whose beat is older than this has gone. Default: 5 s. */
  leaseMs?: number
}

export interface StoreParts {
  run: Run
  clock: StoreClock
  meter: StoreMeter
  membership: Membership
  acceptance: JobAcceptance
  taking: JobTaking
  outcomes: Outcomes
  waiting: JobsWaiting
  ended: EndedJobs
  lists: JobLists
  bulk: BulkChoice
  counts: JobCounts
  schedules: ScheduleTable
  audit: AuditTable
  upkeep: Upkeep
  log: ServiceLog
}

export function storeParts(
  database: Database,
  { node: self, version, leaseMs = timings.leaseMs }: NodeOptions,
  limits: RetentionLimits,
  log: ServiceLog,
): StoreParts {
  const { run } = database
  const { id } = self
  const clock = new StoreClock()
  const meter = new StoreMeter()
  const own = new OwnAttempts(id)
  const kinds = new JobKinds(run)
  const membership = new Membership({ self, version, leaseMs, clock, log })
  const outcomes = new Outcomes(database, id, clock, own, meter)
  database.settle = async (settling) => {
    await outcomes.writeKept(settling)
    // Whatever still seems to run here then has nobody to end it.
    const released = await own.releaseOrphans(settling)
    if (released > 0) log.warn(`${released} attempts are released: the answer that began them was lost`)
    // Outcomes that have come meanwhile.
    await outcomes.writeKept(settling)
  }
  const retention = new Retention(run, clock, limits)
  return {
    run,
    clock,
    meter,
    membership,
    acceptance: new JobAcceptance(database, id, clock, own, meter),
    taking: new JobTaking(run, id, clock, own),
    outcomes,
    waiting: new JobsWaiting(run, kinds),
    ended: new EndedJobs(run),
    lists: new JobLists(run),
    bulk: new BulkChoice(run, kinds),
    counts: new JobCounts(run),
    schedules: new ScheduleTable(run),
    audit: new AuditTable(run),
    upkeep: new Upkeep({ database, membership, retention, audit: new AuditRetention(run), log }),
    log,
  }
}
