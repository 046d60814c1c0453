/** How many jobs each service has in each state, from the rows that a store counts. */
import { JOB_STATES, type JobState } from '../contract/states.ts'
import type { StateCounts } from './job.ts'
import type { ServiceCounts } from './job-store.ts'

export interface CountedRow {
  service: string
  state: JobState
  count: number
}

/** In the order in which the services come first. */
export function countsByService(rows: CountedRow[]): ServiceCounts[] {
  const byService = new Map<string, StateCounts>()
  for (const { service, state, count } of rows) {
    let counts = byService.get(service)
    if (counts === undefined) byService.set(service, (counts = noJobs()))
    // A damaged record may have any state.
    if (state in counts) counts[state] = count
  }
  return [...byService].map(([service, counts]) => ({ service, counts }))
}

function noJobs(): StateCounts {
  return Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as StateCounts
}
