/**
 * The messages between the server and the journal's process. Each side posts one array per turn. Messages that
 * come with every cast are tuples: cloning an object with its keys costs three times as much. Pure.
 */
import type { AuditFilter, AuditPage, AuditRow } from '../contract/audit.ts'
import type { JobState } from '../contract/states.ts'
import type { WireError } from '../contract/errors.ts'
import type { Job, JobError } from '../jobs/job.ts'
import type {
  Accepted,
  AcceptRequest,
  BulkCursor,
  BulkFilter,
  BulkPage,
  CountedJob,
  CountedJobs,
  FailureGroup,
  Idempotency,
  JobFilter,
  JobOutcome,
  JobPage,
  OldestQueued,
  OpenAttempt,
  Schedule,
  ServiceCounts,
  StoredPayload,
  Tick,
  WaitingJob,
  Withdrawal,
} from '../jobs/job-store.ts'
import type { StoreFigures } from '../jobs/store-figures.ts'
import type { RetentionLimits } from '../jobs/store-limits.ts'
import type { timings } from './timings.ts'

/** Times are milliseconds since the epoch. */
export type AcceptRow = [
  id: string,
  service: string,
  method: string,
  payload: string,
  maxAttempts: number,
  priority: number,
  createdAt: number,
  notBefore: number | null,
  expiresAt: number | null,
  traceparent: string | null,
  schedule: string | null,
  begin: boolean,
  idempotency: Idempotency | undefined,
  tick: Tick | undefined,
]

export function toAcceptRow(request: AcceptRequest): AcceptRow {
  return [
    request.id,
    request.service,
    request.method,
    request.payload,
    request.maxAttempts,
    request.priority,
    request.createdAt,
    request.notBefore,
    request.expiresAt,
    request.traceparent,
    request.schedule,
    request.begin,
    request.idempotency,
    request.tick,
  ]
}

/** For a new job, only the facts that the sender does not know. */
export type AcceptedRow =
  | Exclude<Accepted, { kind: 'new' }>
  | [state: JobState, begunAt: number | null, keyExpiresAt: number | undefined]

/** `lastError` is JSON text. */
export type TakenRow = [
  seq: number,
  id: string,
  method: string,
  payload: string,
  priority: number,
  number: number,
  maxAttempts: number,
  expiresAt: number | null,
  traceparent: string | null,
  lastError: string | null,
]

export function toOpenAttempt(row: TakenRow): OpenAttempt {
  const [, id, method, payload, priority, number, maxAttempts, expiresAt, traceparent, lastError] = row
  return {
    id,
    method,
    payload,
    priority,
    number,
    maxAttempts,
    expiresAt,
    traceparent,
    lastError: lastError === null ? null : (JSON.parse(lastError) as JobError),
  }
}

/** Operation → its arguments and its answer. */
export interface JournalOperations {
  accept: (rows: AcceptRow[]) => AcceptedRow[]
  get: (id: string) => Job | undefined
  list: (filter: JobFilter) => JobPage
  failures: (limit: number, service?: string) => FailureGroup[]
  payload: (id: string) => StoredPayload | undefined
  counts: (service?: string) => ServiceCounts[]
  oldestQueued: () => OldestQueued[]
  take: (service: string, limit: number, bytes: number) => TakenRow[]
  nextDueAt: (service: string) => number | undefined
  release: (id: string, attempt: number) => boolean
  retry: (id: string, attempt: number, error: JobError, notBefore: number, log?: string) => boolean
  attemptLogs: (id: string) => string[]
  finish: (id: string, attempt: number, outcome: JobOutcome) => boolean
  withdraw: (id: string, attempt: number, withdrawal: Withdrawal) => boolean
  cancel: (id: string) => Job | undefined
  runNow: (id: string) => Job | undefined
  expire: () => WaitingJob[]
  requeue: (id: string) => Job
  requeueFailed: (service: string, limit: number, failedBy: number) => number
  remove: (id: string) => void
  countMatching: (filter: BulkFilter) => number
  matching: (filter: BulkFilter, limit: number, from?: BulkCursor) => BulkPage
  requeueAll: (ids: string[]) => string[]
  cancelSome: (ids: string[]) => string[]
  removeAll: (ids: string[]) => number
  cancelWaiting: (service: string, limit: number) => WaitingJob[]
  unfinished: (service: string, limit: number) => string[]
  countUnfinished: (service: string) => number
  countJobs: (after: CountedJob | undefined) => CountedJobs
  clockSetBack: (byMs: number, since: number) => void
  schedules: () => Schedule[]
  schedulePayloads: (service: string, names: string[]) => (string | null)[]
  putSchedule: (schedule: Omit<Schedule, 'lastTickAt'>, payload: string) => Schedule
  removeSchedule: (service: string, name: string) => void
  audit: (rows: AuditRow[]) => void
  audits: (filter: AuditFilter) => AuditPage
  /** Ends the attempts that ran when the last process ended. Only the journal itself asks for it. */
  recover: () => void
}

export type JournalOperation = keyof JournalOperations

/** These record what has already happened, so they are postponed and not refused. Jobs in flight bound their number. */
export const OUTCOMES: ReadonlySet<JournalOperation> = new Set(['recover', 'finish', 'withdraw', 'retry', 'release'])

export type JournalRequest = [id: number, operation: JournalOperation, args: unknown[]]

export type JournalReply = [id: number, value: unknown, error?: WireError]

/** Whether the journal can be written. The process reports each change. */
export type JournalStatus =
  | { kind: 'open'; recovered: number }
  /** The process tries again. */
  | { kind: 'unavailable'; why: string }
  /** Only as the first status: the server must not start on this file. */
  | { kind: 'refused'; reason: 'inUse' | 'damaged' | 'other'; error: WireError }

/** From the journal's process. A warning is for the log. */
export type JournalMessage = JournalReply | { status: JournalStatus } | { warning: string } | { figures: StoreFigures }

export interface JournalData {
  file: string
  retention: RetentionLimits
  timings: typeof timings
}
