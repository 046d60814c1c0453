/** Jobs at a glance: how many there are in each state, and the payload of one. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ThreadplaneError } from '../src/contract/errors.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import { timestamp } from '../src/jobs/job.ts'
import { mayShow } from './shared/sensitive.ts'
import { JobParams } from './schemas/job.ts'
import { JobCountsView, totalOf } from './schemas/job-counts.ts'
import { jobCheck } from './shared/job-check.ts'

interface JobOverviewOptions {
  registry: Registry
  dispatcher: Dispatcher
}

export const jobOverviewRoutes: FastifyPluginAsyncTypebox<JobOverviewOptions> = async (
  app,
  { registry, dispatcher },
) => {
  const { overview } = dispatcher
  const checkJob = jobCheck(dispatcher)
  app.get('/jobs/counts', {
    config: { scope: 'read', narrows: true },
    schema: {
      operationId: 'countJobs',
      tags: ['Jobs'],
      summary: 'How many jobs each service has in each state, and how long the oldest has waited',
      description:
        'Services without jobs are left out; services that were deleted are listed while their jobs are kept. With more than 20,000 jobs the counts may be some seconds old.',
      querystring: Type.Object({ service: Type.Optional(Type.String()) }, { additionalProperties: false }),
      response: { 200: JobCountsView, ...problems('MALFORMED_QUERY', 'JOURNAL_UNAVAILABLE') },
    },
    handler: async ({ access, query }) => {
      const counts = await overview.counts(query.service)
      const items = counts
        .filter(({ service }) => access?.has(['read'], service) ?? true)
        .map(({ oldestQueuedAt: at, ...one }) => ({ ...one, oldestQueuedAt: at === undefined ? null : timestamp(at) }))
      return { items, total: totalOf(items) }
    },
  })

  app.get('/jobs/:id/payload', {
    config: { scope: ['read', 'enqueue'], narrows: true },
    schema: {
      operationId: 'getJobPayload',
      tags: ['Jobs'],
      summary: 'The payload that a job was cast with',
      description: 'The payloads of methods that are marked as sensitive are for callers only that may cast them.',
      params: JobParams,
      response: {
        200: {
          description: 'The JSON as it is stored. Bytes are a JSON string in Base64',
          content: { 'application/json': { schema: Type.Unknown() } },
        },
        ...problems('JOB_NOT_FOUND', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async (request, reply) => {
      await checkJob(request, reply, ['read', 'enqueue'])
      const { payload, ...job } = await overview.payload(request.params.id)
      if (!mayShow(registry, job, request)) {
        const detail = `${job.service}.${job.method} is sensitive: its payloads are for callers that may enqueue its jobs`
        throw new ThreadplaneError('FORBIDDEN', detail, { ...job, jobId: request.params.id })
      }
      // Already JSON: it is sent as it is stored.
      return reply.type('application/json; charset=utf-8').send(payload)
    },
  })
}
