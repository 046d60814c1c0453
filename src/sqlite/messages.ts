/**
 * The messages between the control thread and the journal's thread. Each side posts one array a turn. What comes with
 * every cast is a tuple: an object's keys are cloned with it, and making it anew costs three times what a tuple does. Pure.
 */
import type { WireError } from '../contract/errors.ts'
import type { Job, JobError, JobState } from '../jobs/job.ts'
import type {
  Accepted,
  AcceptRequest,
  Idempotency,
  JobFilter,
  JobOutcome,
  JobPage,
  OpenAttempt,
  Schedule,
  Tick,
  Withdrawal,
} from '../jobs/job-store.ts'
import type { RetentionLimits } from './retention.ts'

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
    request.begin,
    request.idempotency,
    request.tick,
  ]
}

/** Of a new job only what its sender does not know. */
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

/** Operation → what it takes and returns. */
export interface JournalOperations {
  accept: (rows: AcceptRow[]) => AcceptedRow[]
  get: (id: string) => Job | undefined
  list: (filter: JobFilter) => JobPage
  take: (service: string, limit: number, bytes: number) => TakenRow[]
  nextDueAt: (service: string) => number | undefined
  release: (id: string, attempt: number) => boolean
  retry: (id: string, attempt: number, error: JobError, notBefore: number) => boolean
  finish: (id: string, attempt: number, outcome: JobOutcome) => boolean
  withdraw: (id: string, attempt: number, withdrawal: Withdrawal) => boolean
  cancel: (id: string) => Job | undefined
  expire: () => string[]
  requeue: (id: string) => Job
  requeueFailed: (service: string, limit: number, failedBy: number) => number
  remove: (id: string) => void
  cancelWaiting: (service: string, limit: number) => string[]
  unfinished: (service: string, limit: number) => string[]
  countUnfinished: (service: string) => number
  schedules: () => Schedule[]
  putSchedule: (schedule: Schedule) => void
  removeSchedule: (service: string, name: string) => void
  /** Takes up what was running when the last process ended; asked for by the journal's thread itself. */
  recover: () => void
}

export type JournalOperation = keyof JournalOperations

/** These record what happened already, to no more jobs than are in flight; all others can be refused. */
export const OUTCOMES: ReadonlySet<JournalOperation> = new Set(['recover', 'finish', 'withdraw', 'retry', 'release'])

export type JournalRequest = [id: number, operation: JournalOperation, args: unknown[]]

export type JournalReply = [id: number, value: unknown, error?: WireError]

/** Whether the journal can be written, said whenever that changes. */
export type JournalStatus =
  | { kind: 'open'; recovered: number }
  /** Not now; it is tried again. */
  | { kind: 'unavailable'; why: string }
  /** At the start only, which ends with it. */
  | { kind: 'refused'; reason: 'inUse' | 'damaged' | 'other'; error: WireError }

/** What the journal's thread says. */
export type JournalMessage = JournalReply | { status: JournalStatus }

export interface JournalData {
  file: string
  retention: RetentionLimits
}
