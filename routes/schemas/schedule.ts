/** A schedule as HTTP shows it. */
import { type Static, Type } from '@sinclair/typebox'
import { Nullable } from './nullable.ts'

export const ScheduleView = Type.Object(
  {
    service: Type.String(),
    name: Type.String(),
    cron: Type.String(),
    timezone: Type.String(),
    method: Type.String(),
    source: Type.String({
      enum: ['http', 'file'],
      description: 'Who has made it: a client, or the file threadplane.json',
    }),
    payload: Type.Optional(
      Type.Unknown({ description: 'Left out of a list if it is larger than 4 KiB, or of a sensitive method' }),
    ),
    nextRunAt: Nullable(
      Type.String({ format: 'date-time' }),
      'null if the cron expression has no further time, or the schedule cannot run',
    ),
    lastRunAt: Nullable(
      Type.String({ format: 'date-time' }),
      'The time of the cron expression that the last job was cast for',
    ),
    error: Nullable(
      Type.Object({ code: Type.String(), message: Type.String() }),
      'Why the schedule cannot run, or why its last job could not be cast: for example, its service does not exist any more',
    ),
  },
  { $id: 'Schedule', title: 'Schedule' },
)

export type ScheduleView = Static<typeof ScheduleView>
