/** The messages between the control thread and the journal's thread. Each side posts one array a turn. Pure. */
import type { WireError } from '../errors.ts'
import type { Job, JobError, JobState } from './job.ts'
import type { Accepted, AcceptRequest, JobFilter, JobOutcome, JobPage, Schedule } from './job-store.ts'
import type { RetentionLimits } from './journal-retention.ts'

/** Of a new job only what its sender does not know. */
export type AcceptedRow =
  | Exclude<Accepted, { kind: 'new' }>
  | { kind: 'new'; state: JobState; begunAt: number | null; keyExpiresAt?: number }

/** Operation → what it takes and returns. */
export interface JournalOperations {
  accept: (requests: AcceptRequest[]) => AcceptedRow[]
  get: (id: string) => Job | undefined
  list: (filter: JobFilter) => JobPage
  due: (service: string, limit: number) => Job[]
  nextDueAt: (service: string) => number | undefined
  begin: (id: string) => Job | undefined
  release: (id: string, attempt: number) => void
  retry: (id: string, attempt: number, error: JobError, notBefore: number) => Job | undefined
  finish: (id: string, attempt: number, outcome: JobOutcome) => Job | undefined
  expire: () => Job[]
  requeue: (id: string) => Job
  requeueFailed: (service: string, limit: number, failedBy: number) => number
  remove: (id: string) => void
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
export const OUTCOMES: ReadonlySet<JournalOperation> = new Set(['recover', 'finish', 'retry', 'release'])

export interface JournalRequest {
  id: number
  operation: JournalOperation
  args: unknown[]
}

export type JournalReply = { id: number; value: unknown } | { id: number; error: WireError }

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
