/** What comes in the stream of events: types of the server, so that a change there does not compile here. */
import type { ServiceSummary } from '../../../routes/schemas/service-summary.ts'
import type { AuditRow } from '../../../src/contract/audit.ts'
import type { ControlEvent, JobEvent } from '../../../src/contract/events.ts'

/** Columns of `stats`, as `hello` names them. */
export type StatsRow = readonly (number | null)[]

export interface HelloEvent {
  type: 'hello'
  server: { boot: string; version: string; startedAt: string }
  cursor: string
  resumed: boolean
  heartbeatMs: number
  statsColumns: string[]
}

export interface GapEvent {
  type: 'gap'
  from: string
  to: string
  reason: string
  lost: number | null
}

interface Stamp {
  id: string
  /** ISO time. */
  at: string
  /** In a cluster, the node that it happened on. */
  node?: string
}

export type LiveEvent =
  | ((ControlEvent | JobEvent) & Stamp)
  | ({ type: 'jobs.skipped'; count: number } & Stamp)
  | ({ type: 'stats'; services: Record<string, StatsRow> } & Stamp)
  | ({ type: 'log'; service?: string; level: string; msg: string; [field: string]: unknown } & Stamp)
  | ({ type: 'audit' } & Omit<AuditRow, 'at'> & Stamp)
  | ({ type: 'snapshot'; services: ServiceSummary[]; last: boolean } & Stamp)
