/** `GET /v1/audit`: who changed what, and who was refused. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { AuditStore } from '../src/contract/audit.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import { timestamp } from '../src/jobs/job.ts'
import { AuditList } from './schemas/audit.ts'

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
