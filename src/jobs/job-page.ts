/** What the stores share in making a page of jobs: its size, and the names and times that a filter allows. */
import { JOB_STATES, type JobState } from '../contract/states.ts'

/** A page ends before it exceeds this size, but has at least one job (P5). */
const MAX_PAGE_BYTES = 4 * 1024 * 1024

/** The place of a job in the order of acceptance, and how much the job adds to a page. */
export interface JobSize {
  seq: number
  bytes: number
}

/** Times of acceptance, in milliseconds since the epoch: `since` belongs to the range, `before` does not. */
export interface AcceptedRange {
  since?: number
  before?: number
}

/** Jobs are numbered as they are accepted. Where the clock was set back, that is not the order of their times. */
export function isAccepted(
  { since = 0, before = Number.POSITIVE_INFINITY }: AcceptedRange,
  createdAt: number,
): boolean {
  return createdAt >= since && createdAt < before
}

/** The states that a list reads. Only jobs that are failed have a key. */
export function listedStates(states: readonly JobState[] = JOB_STATES, errorKey?: string): readonly JobState[] {
  return errorKey === undefined ? states : states.filter((state) => state === 'failed')
}

/** @param name a name, or the beginning of names with `*` */
export function isNamed(service: string, name: string): boolean {
  return name.endsWith('*') ? service.startsWith(name.slice(0, -1)) : service === name
}

/** How many of these jobs fit into a page: at least one. */
export function fitting(jobs: JobSize[], limit: number): number {
  let bytes = 0
  const tooMuch = jobs.findIndex((job) => {
    bytes += job.bytes
    return bytes > MAX_PAGE_BYTES
  })
  return tooMuch === -1 ? limit : Math.min(Math.max(tooMuch, 1), limit)
}
