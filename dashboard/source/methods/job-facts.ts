/** What can be said of a job from its fields. Pure. */
import type { JobState } from '../../../src/contract/states.ts'

const FINISHED: ReadonlySet<string> = new Set<JobState>(['succeeded', 'failed', 'cancelled', 'expired'])

export function isFinished({ state }: { state: string }): boolean {
  return FINISHED.has(state)
}

/** The part in which ids differ: milliseconds and a counter. All begin alike, and ids of one millisecond end alike. */
export function shortId(id: string): string {
  return id.length === 36 ? `…${id.slice(4, 18)}` : id
}
