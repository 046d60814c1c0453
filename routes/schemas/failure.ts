/** A group of failed jobs with the same error, as HTTP shows it. */
import { type Static, Type } from '@sinclair/typebox'
import { Nullable } from './nullable.ts'

const Group = Type.Object({
  key: Type.String({
    description: 'Hash of the code, the name of the error, and its message without numbers and ids',
  }),
  service: Type.String(),
  method: Type.String(),
  code: Type.String(),
  name: Nullable(Type.String(), 'The name of the error that the method threw, or the reason'),
  message: Type.String({ description: 'Of the newest job' }),
  count: Type.Integer({ minimum: 1 }),
  firstAt: Type.String({ format: 'date-time' }),
  lastAt: Type.String({ format: 'date-time' }),
  sampleJobId: Type.String({ format: 'uuid', description: 'The newest job of the group' }),
})

export type Failure = Static<typeof Group>

export const FailureList = Type.Object(
  { items: Type.Array(Group) },
  { description: 'The groups, newest failure first' },
)
