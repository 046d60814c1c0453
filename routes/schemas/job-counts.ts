/** Numbers of jobs by state, as HTTP shows them. */
import { type Static, Type } from '@sinclair/typebox'
import { JOB_STATES } from '../../src/contract/states.ts'
import { type StateCounts } from '../../src/jobs/job.ts'
import type { ServiceCounts } from '../../src/jobs/job-store.ts'
import { Nullable } from './nullable.ts'

const Counts = Type.Unsafe<StateCounts>({
  type: 'object',
  properties: Object.fromEntries(JOB_STATES.map((state) => [state, { type: 'integer', minimum: 0 }])),
  required: [...JOB_STATES],
})

export const JobCountsView = Type.Object(
  {
    items: Type.Array(
      Type.Object({
        service: Type.String(),
        counts: Counts,
        oldestQueuedAt: Nullable(
          Type.String({
            format: 'date-time',
            description:
              'Since when the oldest job waits that could run: when it was accepted, or became due; null: none waits',
          }),
        ),
      }),
    ),
    total: Counts,
  },
  { description: 'The numbers of jobs' },
)

export type JobCounts = Static<typeof JobCountsView>

export function totalOf(items: ServiceCounts[]): StateCounts {
  const sum = (state: keyof StateCounts) => items.reduce((total, { counts }) => total + counts[state], 0)
  return Object.fromEntries(JOB_STATES.map((state) => [state, sum(state)])) as StateCounts
}
