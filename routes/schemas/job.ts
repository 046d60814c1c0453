/** A job as HTTP shows it. */
import { JOB_STATES, type JobState } from '../../src/contract/states.ts'
import { type Static, Type } from '@sinclair/typebox'
import type { ErrorView } from '../../src/contract/errors.ts'
import { type Job as JobRecord } from '../../src/jobs/job.ts'
import { Nullable } from './nullable.ts'

const Timestamp = Type.String({ format: 'date-time' })

export const JobParams = Type.Object({ id: Type.String({ description: 'Id of the job' }) })

export const JobStateSchema = Type.Unsafe<JobState>({ type: 'string', enum: [...JOB_STATES] })

/** Times of acceptance, as a part of a filter. */
export const AcceptedRange = {
  since: Type.Optional(
    Type.String({ format: 'date-time', description: 'Only jobs that were accepted at this time or later' }),
  ),
  before: Type.Optional(
    Type.String({ format: 'date-time', description: 'Only jobs that were accepted before this time' }),
  ),
}

/** The times of a filter as milliseconds since the epoch. */
export function acceptedRange<Filter extends { since?: string; before?: string }>({
  since,
  before,
  ...rest
}: Filter): Omit<Filter, 'since' | 'before'> & { since?: number; before?: number } {
  return {
    ...rest,
    ...(since !== undefined && { since: Date.parse(since) }),
    ...(before !== undefined && { before: Date.parse(before) }),
  }
}

export const JobErrorView = Type.Object(
  {
    code: Type.Unsafe<string>(Type.Ref('ErrorCode')),
    reason: Type.Optional(
      Type.String({
        description:
          "With THREAD_DIED, SERVER_ENDED: the server ended while the attempt ran. With METHOD_REFUSED: the method's own code",
      }),
    ),
    status: Type.Optional(Type.Integer({ description: 'With METHOD_REFUSED: the HTTP status that the method chose' })),
    message: Type.String(),
    retryable: Type.Optional(Type.Boolean({ description: 'Present if the method said whether a retry makes sense' })),
    cause: Type.Optional(
      Type.Unsafe<ErrorView>({ allOf: [Type.Ref('ErrorDetail')], description: 'The error that the method threw' }),
    ),
    errors: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), message: Type.String() }))),
  },
  { $id: 'JobError', title: 'JobError' },
)

export const Job = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    service: Type.String(),
    method: Type.String(),
    state: JobStateSchema,
    attempts: Type.Integer(),
    history: Type.Array(
      Type.Object({
        number: Type.Integer(),
        startedAt: Timestamp,
        endedAt: Type.Optional(Timestamp),
        node: Type.Optional(Type.String({ description: 'In a cluster, the name of the node that ran the attempt' })),
        error: Type.Optional(Type.Unsafe<Static<typeof JobErrorView>>(Type.Ref('JobError'))),
      }),
    ),
    maxAttempts: Type.Integer(),
    priority: Type.Integer({ minimum: 0, maximum: 9 }),
    progress: Nullable(
      Type.Object({ fraction: Type.Number({ minimum: 0, maximum: 1 }), note: Type.Optional(Type.String()) }),
    ),
    createdAt: Timestamp,
    startedAt: Nullable(Timestamp),
    finishedAt: Nullable(Timestamp),
    notBefore: Nullable(Timestamp),
    expiresAt: Nullable(Timestamp),
    schedule: Nullable(Type.String(), 'The schedule of its service that cast it'),
    node: Type.Optional(
      Type.String({ description: 'In a cluster, the name of the node that runs it, or that ran its last attempt' }),
    ),
    result: Type.Optional(Type.Unknown({ description: 'The result of the method, if the job succeeded' })),
    error: Type.Optional(Type.Unsafe<Static<typeof JobErrorView>>(Type.Ref('JobError'))),
  },
  { $id: 'Job', title: 'Job' },
)
export type Job = Static<typeof Job>

export const JobList = Type.Object(
  { items: Type.Array(Type.Ref('Job')), nextCursor: Nullable(Type.String()) },
  { $id: 'JobList', title: 'JobList' },
)

export function jobView(job: JobRecord): Job {
  const node = job.history.at(-1)?.node
  return {
    id: job.id,
    service: job.service,
    method: job.method,
    state: job.state,
    attempts: job.attempts,
    history: job.history,
    maxAttempts: job.maxAttempts,
    priority: job.priority,
    progress: job.progress,
    createdAt: job.createdAt,
    startedAt: job.startedAt,
    finishedAt: job.finishedAt,
    notBefore: job.notBefore,
    expiresAt: job.expiresAt,
    schedule: job.schedule,
    ...(node !== undefined && { node }),
    ...(job.error !== null && { error: job.error }),
    ...(job.result !== null && resultOf(job.result)),
  }
}

function resultOf(text: string): Pick<Job, 'result' | 'error'> {
  try {
    return { result: JSON.parse(text) as unknown }
  } catch (error) {
    return { error: { code: 'INTERNAL', message: `the stored result is damaged: ${(error as Error).message}` } }
  }
}
