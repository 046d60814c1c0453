/** `GET /v1/audit`: who changed what, and who was refused. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { AUDIT_OUTCOMES, AUDIT_WAYS, type AuditRow, type AuditStore } from '../src/contract/audit.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import { timestamp } from '../src/jobs/job.ts'
import { Nullable } from './schemas/nullable.ts'

const AuditRowView = Type.Object({
  at: Type.String({ format: 'date-time' }),
  token: Nullable(Type.String(), 'The id of the token'),
  via: Type.Unsafe<AuditRow['via']>({
    type: 'string',
    enum: AUDIT_WAYS,
    description:
      'How the token came. open: the server asked for none. none: it asked for one, and got none that is valid',
  }),
  address: Type.String({ description: 'Of the client, or of the proxy before this server' }),
  action: Type.String({ description: 'The `operationId` of the route in this document' }),
  service: Nullable(Type.String(), 'The service that it was for'),
  target: Nullable(Type.String(), 'The job, the schedule or the method that it was for'),
  outcome: Type.Unsafe<AuditRow['outcome']>({
    type: 'string',
    enum: AUDIT_OUTCOMES,
    description:
      'refused: answered 401, 403 or 429. failed: answered with another problem. aborted: the client went away before the end of the answer, and it may have been done',
  }),
  code: Nullable(Type.String(), 'The code of the problem'),
  requestId: Type.String({ format: 'uuid' }),
})

const AuditList = Type.Object(
  {
    items: Type.Array(AuditRowView),
    nextCursor: Nullable(Type.String(), 'Pass it as `cursor` to get the next page; null on the last page'),
  },
  { description: 'The rows, newest first' },
)

interface AuditRoutesOptions {
  audits: AuditStore
  dispatcher: Dispatcher
}

export const auditRoutes: FastifyPluginAsyncTypebox<AuditRoutesOptions> = async (app, { audits, dispatcher }) => {
  app.get('/audit', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'listAudit',
      tags: ['Access'],
      summary: 'Who changed what, and who was refused, newest first',
      description:
        'Requests other than GET, calls and casts, and all requests that were refused, of the last 30 days. A row is written soon after its answer.',
      querystring: Type.Object(
        {
          service: Type.Optional(Type.String({ maxLength: 255 })),
          token: Type.Optional(Type.String({ maxLength: 255, description: 'The id of a token' })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 100 })),
          cursor: Type.Optional(
            Type.String({ pattern: '^[0-9]{1,15}$', description: 'The `nextCursor` of the page before' }),
          ),
        },
        { additionalProperties: false },
      ),
      response: { 200: AuditList, ...problems('MALFORMED_QUERY', 'JOURNAL_UNAVAILABLE') },
    },
    handler: async ({ query }) => {
      const { limit = 100, ...filter } = query
      const { items, nextCursor } = await dispatcher.deadline.within(audits.audits({ ...filter, limit }))
      return { items: items.map((row) => ({ ...row, at: timestamp(row.at) })), nextCursor }
    },
  })
}
