/** Retries, cancels or deletes many jobs at once. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { auditAs } from '../src/http/audit.ts'
import { problems } from '../src/http/problem-responses.ts'
import { BULK_ACTIONS, type BulkJobs, type BulkRequest } from '../src/jobs/bulk-jobs.ts'
import { AcceptedRange, acceptedRange, JobStateSchema } from './schemas/job.ts'
import { checkService } from './shared/service-check.ts'

const Body = Type.Object(
  {
    action: Type.Unsafe<BulkRequest['action']>({
      type: 'string',
      enum: Object.keys(BULK_ACTIONS),
      description:
        'retry: jobs that are failed, cancelled or expired. cancel: scheduled, queued or running. delete: succeeded, failed, cancelled or expired',
    }),
    filter: Type.Object(
      {
        service: Type.Optional(Type.String({ maxLength: 255 })),
        method: Type.Optional(Type.String({ maxLength: 255 })),
        state: JobStateSchema,
        errorKey: Type.Optional(
          Type.String({ maxLength: 255, description: '`key` of a group of failures; only with the state failed' }),
        ),
        ...AcceptedRange,
      },
      { additionalProperties: false },
    ),
    dryRun: Type.Optional(
      Type.Boolean({ default: false, description: 'Change nothing: only say how many jobs match' }),
    ),
  },
  { additionalProperties: false },
)

const Result = Type.Object(
  {
    matched: Type.Integer({ description: 'Jobs that matched at the begin' }),
    changed: Type.Integer({ description: 'At most 10,000 a call' }),
    remaining: Type.Integer({
      description:
        'Jobs that match and are unchanged: those beyond 10,000, and those that cannot be changed, such as a job that is kept for its idempotency key',
    }),
  },
  { description: 'How many jobs matched and were changed' },
)

export const bulkRoutes: FastifyPluginAsyncTypebox<{ bulk: BulkJobs }> = async (app, { bulk }) => {
  app.post('/jobs/bulk', {
    config: { scope: 'operate', narrows: true },
    schema: {
      operationId: 'changeJobs',
      tags: ['Jobs'],
      summary: 'Retry, cancel or delete all jobs that a filter chooses',
      description:
        'Each job is checked as in the route for one job. Repeat the request while `changed` is greater than 0 and `remaining` is too.',
      body: Body,
      response: {
        200: Result,
        ...problems('MALFORMED_BODY', 'SERVICE_NOT_FOUND', 'VALIDATION_FAILED', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async (request, reply) => {
      const { action, filter, dryRun = false } = request.body
      auditAs(request, { service: filter.service, target: `${action} ${filter.state}${dryRun ? ', dry run' : ''}` })
      checkService(request, reply, ['operate'], filter.service)
      return bulk.run({ action, filter: acceptedRange(filter), dryRun })
    },
  })
}
