/** Judges the jobs of a cluster after the faults: each that was acknowledged has one outcome, and no run is without a record. */
import { keptJobs, type RunsFile } from '../harness/kept-jobs.ts'
import type { Fleet, FleetNode } from './fleet.ts'

export interface Outcomes {
  /** Acknowledged, and missing afterwards. */
  lost: number
  /** Jobs that have not succeeded, or whose outcome is not that of their last attempt. */
  notEndedOnce: number
  /** Jobs that ran more often than their `attempts` say, or one attempt of which ran twice. */
  ranTooOften: number
  /** Jobs that ran more than once. */
  ranAgain: number
}

export async function outcomesOf(fleet: Fleet, acknowledged: Set<string>, file: RunsFile): Promise<Outcomes> {
  const jobs = await keptJobs((fleet.nodes[0] as FleetNode).url)
  const rows = await fleet.postgres.query<{ id: string; result: string | null }>(
    'SELECT id::text AS id, result FROM threadplane.jobs',
  )
  // The method returns the number of its attempt.
  const finishedBy = new Map(rows.map(({ id, result }) => [id, Number(result)]))
  const runs = file.read()
  const outcomes: Outcomes = { lost: 0, notEndedOnce: 0, ranTooOften: 0, ranAgain: 0 }
  for (const id of acknowledged) if (!jobs.has(id)) outcomes.lost += 1
  for (const { id, state, attempts } of jobs.values()) {
    const numbers = (runs.get(id) ?? []).map(({ attempt }) => attempt)
    const ended = finishedBy.get(id) ?? 0
    // An attempt with a higher number would have begun after the outcome, or would have ended a second time.
    const endedOnce = state === 'succeeded' && ended === attempts && numbers.includes(ended)
    if (!endedOnce) outcomes.notEndedOnce += 1
    if (new Set(numbers).size < numbers.length || Math.max(...numbers) > attempts) outcomes.ranTooOften += 1
    if (numbers.length > 1) outcomes.ranAgain += 1
  }
  return outcomes
}
