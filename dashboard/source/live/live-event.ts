/** What comes in the stream of events: types of the server, so that a change there does not compile here. */
import type { AuditRow } from '../../../src/contract/audit.ts'
import type { LogLevel } from '../../../src/contract/log.ts'
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

/** A line of the log, as the routes of logs send it too. */
export interface LogLine {
  id: string
  time: string
  level: LogLevel
  service?: string
  thread?: number
  jobId?: string
  attempt?: number
  method?: string
  msg: string
  [field: string]: unknown
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
  | ({ type: 'log'; line: LogLine } & Stamp)
  | ({ type: 'audit' } & Omit<AuditRow, 'at'> & Stamp)
