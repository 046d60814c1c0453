/** What the streams of events and of the log have, as a client gets it. */
import type { AuditRow } from '../contract/audit.ts'
import type { ControlEvent, JobEvent } from '../contract/events.ts'
import type { LogLevel } from '../contract/log.ts'
import type { ServiceSummary } from '../../routes/schemas/service-summary.ts'

/** A line of the log. A service may add further members. */
export interface LogLine {
  id: string
  /** RFC 3339. */
  time: string
  level: LogLevel
  /** Absent: the server itself. */
  service?: string
  thread?: number
  jobId?: string
  attempt?: number
  method?: string
  traceId?: string
  msg: string
  [member: string]: unknown
}

/** Lines are missing at this place. `lost`: how many; `null` if nobody knows. Unlike a line, it has no `msg`. */
export interface LogGap {
  type: 'gap'
  lost: number | null
  reason: 'restart' | 'ring' | 'node'
}

/** No line follows. `removed`: the service is there no more. `closing`: the server closes, which nobody gets to see. */
export interface LogEnd {
  type: 'end'
  reason: 'removed' | 'closing'
}

/** What a stream of events has beside what happens: about the stream, and about numbers. */
type StreamEvent =
  /** The first event of each connection. `resumed`: it goes on after a cursor. */
  | {
      type: 'hello'
      server: { boot: string; version: string; startedAt: string }
      cursor: string
      resumed: boolean
      heartbeatMs: number
      statsColumns: string[]
    }
  /** Events are missing. */
  | {
      type: 'gap'
      from: string
      to: string
      reason: 'restart' | 'ring' | 'node' | 'rate'
      types: string[]
      lost: number | null
    }
  | { type: 'snapshot'; services: ServiceSummary[]; last: boolean }
  | { type: 'jobs.skipped'; count: number; by: Record<string, number> }
  | { type: 'stats'; services: Record<string, (number | null)[]> }
  | { type: 'log'; line: LogLine }
  | ({ type: 'audit' } & Omit<AuditRow, 'at'>)

/** `id`: the cursor to go on after it. `at`: RFC 3339. `node`: of the node where it happened, where it was not this one. */
export type PlaneEvent = { id: string; at: string; node?: string } & (ControlEvent | JobEvent | StreamEvent)

export interface EventFilter {
  /** Types, with `*` at the end of a part. Default: services, threads, schedules, the server, and failed jobs. */
  type?: readonly string[] | undefined
  /** Names of services. Default: all that the token may read. */
  service?: readonly string[] | undefined
  /** Go on after this cursor, or from the `earliest` event that is kept. Default: from now on. */
  after?: string | undefined
  /** The first events of each connection show the present state of the services. */
  snapshot?: boolean | undefined
  /** Ends the iteration. */
  signal?: AbortSignal | undefined
}

export interface LogFilter {
  /** Of this service alone. */
  service?: string | undefined
  /** How many of the lines that are kept. Default: 100. */
  tail?: number | undefined
  /** Go on with the lines to come. Default: false. */
  follow?: boolean | undefined
  /** The lowest level. */
  level?: LogLevel | undefined
  /** RFC 3339. */
  since?: string | undefined
  /** The id of a thread. */
  thread?: number | undefined
  jobId?: string | undefined
  /** A part of the line. */
  search?: string | undefined
  /** Ends the iteration. */
  signal?: AbortSignal | undefined
}
