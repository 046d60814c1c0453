/** The messages between the control thread and the journal's thread. Each side posts one array a turn. Pure. */
import type { WireError } from '../errors.ts'
import type { Job, JobError, JobState } from './job.ts'
import type { Accepted, AcceptRequest, JobFilter, JobOutcome, JobPage, Schedule } from './job-store.ts'

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
  close: () => void
}

export type JournalOperation = keyof JournalOperations

export interface JournalRequest {
  id: number
  operation: JournalOperation
  args: unknown[]
}

export type JournalReply = { id: number; value: unknown } | { id: number; error: WireError }

/** Sent once, when the file is open, or cannot be. */
export type JournalOpened = { opened: true; recovered: number } | { opened: false; error: WireError; errno: number }

export interface JournalData {
  file: string
  /** Finished jobs are kept for so long, and not more than so many. */
  keepJobsMs: number
  maxFinishedJobs: number
}
