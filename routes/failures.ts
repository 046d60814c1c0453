/** Failed jobs, grouped by their errors. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { problems } from '../src/http/problem-responses.ts'
import { timestamp } from '../src/jobs/job.ts'
import type { JobOverview } from '../src/jobs/job-overview.ts'
import { FailureList } from './schemas/failure.ts'
import { checkService } from './shared/service-check.ts'

export const failureRoutes: FastifyPluginAsyncTypebox<{ overview: JobOverview }> = async (app, { overview }) => {
  app.get('/failures', {
    config: { scope: 'read', narrows: true },
    schema: {
      operationId: 'listFailures',
      tags: ['Jobs'],
      summary: 'Failed jobs, grouped by service, method and error',
      description: 'Jobs that were retried or deleted are not counted any more.',
      querystring: Type.Object(
        {
          service: Type.Optional(Type.String()),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 100 })),
        },
        { additionalProperties: false },
      ),
      response: { 200: FailureList, ...problems('SERVICE_NOT_FOUND', 'MALFORMED_QUERY', 'JOURNAL_UNAVAILABLE') },
    },
    handler: async (request, reply) => {
      const { limit = 100, service } = request.query
      if (service !== undefined) checkService(request, reply, ['read'], service)
      const all = await overview.failures(limit, service)
      const groups = all.filter((group) => request.access?.has(['read'], group.service) ?? true)
      const items = groups.map(({ firstAt, lastAt, ...group }) => ({
        ...group,
        firstAt: timestamp(firstAt),
        lastAt: timestamp(lastAt),
      }))
      return { items }
    },
  })
}
