/** The last hour of a service as HTTP shows it. */
import { type Static, Type } from '@sinclair/typebox'
import { SERIES_COLUMNS } from '../../src/registry/series.ts'
import { Nullable } from './nullable.ts'

export const SeriesView = Type.Object(
  {
    stepMs: Type.Integer(),
    columns: Type.Array(Type.String({ enum: ['at', ...SERIES_COLUMNS] }), {
      description: 'What each number of a row is',
    }),
    items: Type.Array(Type.Array(Nullable(Type.Number())), {
      description:
        'A row for each step of 10 s, the oldest first: `at` (milliseconds since the epoch, the end of the step); calls, jobs, failures and retries in the step; `runP50Ms` and `runP95Ms`: how long half, and 95 %, of the methods ran at most that ended in the step, null if none did; the others at its end. Of several services: the sum, of the load and of these times the greatest',
    }),
  },
  { description: 'The numbers' },
)
export type SeriesView = Static<typeof SeriesView>
