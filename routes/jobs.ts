/** Lists, shows, waits for, cancels, retries, runs and deletes jobs: the durable records of casts. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import type { Plane } from '../src/cluster/plane.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import type { Job } from '../src/jobs/job.ts'
import { auditAs } from '../src/http/audit.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import { jobCheck } from './shared/job-check.ts'
import { jobElsewhere } from './shared/job-elsewhere.ts'
import { readPreference } from './shared/request-headers.ts'
import { PREFERENCE_APPLIED } from './schemas/invocation.ts'
import { shownJob } from './shared/sensitive.ts'
import { AcceptedRange, acceptedRange, JobParams, JobStateSchema, jobView } from './schemas/job.ts'
import { ServiceParams } from './schemas/service.ts'

const job = Type.Ref('Job', { description: 'The job' })

interface JobRoutesOptions {
  registry: Registry
  dispatcher: Dispatcher
  plane: Plane | undefined
}

export const jobRoutes: FastifyPluginAsyncTypebox<JobRoutesOptions> = async (app, { registry, dispatcher, plane }) => {
  const checkJob = jobCheck(dispatcher)

  app.get('/jobs', {
    config: { scope: ['read', 'enqueue'], narrows: true },
    schema: {
      operationId: 'listJobs',
      tags: ['Jobs'],
      summary: 'List jobs, newest first',
      description:
        'Filter by service, method, state, error and time. A page costs what it contains, also among millions of jobs: continue with `nextCursor`.',
      querystring: Type.Object(
        {
          service: Type.Optional(Type.String()),
          method: Type.Optional(Type.String()),
          state: Type.Optional(JobStateSchema),
          errorKey: Type.Optional(
            Type.String({ maxLength: 255, description: '`key` of a group of failures: only its failed jobs' }),
          ),
          ...AcceptedRange,
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 100 })),
          cursor: Type.Optional(
            Type.String({ pattern: '^\\d{1,15}$', description: '`nextCursor` of the previous page' }),
          ),
        },
        { additionalProperties: false },
      ),
      response: {
        200: Type.Ref('JobList', { description: 'A page of jobs' }),
        ...problems('MALFORMED_QUERY', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async (request) => {
      const { limit = 100, state, ...query } = request.query
      const filter = acceptedRange(query)
      const names = request.access?.namesOf(['read', 'enqueue'])
      const seen = names === undefined ? filter : { ...filter, names }
      const { items, nextCursor } = await dispatcher.list({ ...seen, limit }, state)
      return { items: items.map((job) => jobView(shownJob(registry, job, request, 'list'))), nextCursor }
    },
  })

  app.get('/jobs/:id', {
    config: { scope: ['read', 'enqueue'], narrows: true },
    schema: {
      operationId: 'getJob',
      tags: ['Jobs'],
      summary: 'Show a job; with `Prefer: wait=10`, wait up to 10 seconds until it has finished',
      description: 'Its state, its attempts with their errors, its progress and its result.',
      params: JobParams,
      headers: Type.Object({
        prefer: Type.Optional(Type.String({ description: 'wait=N: wait up to N seconds, at most 60' })),
      }),
      response: {
        200: {
          description: 'The job',
          headers: PREFERENCE_APPLIED,
          content: { 'application/json': { schema: Type.Ref('Job') } },
        },
        ...problems('JOB_NOT_FOUND', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async (request, reply) => {
      const { id } = request.params
      await checkJob(request, reply, ['read', 'enqueue'])
      const { waitSeconds } = readPreference(request.headers.prefer)
      const show = async (job: Job) => {
        const elsewhere = plane && (await jobElsewhere(plane, dispatcher, job, request))
        return elsewhere ?? jobView(shownJob(registry, job, request, 'alone'))
      }
      if (waitSeconds === undefined) return show(await dispatcher.get(id))
      reply.header('preference-applied', `wait=${waitSeconds}`)
      return show(await dispatcher.wait(id, waitSeconds * 1_000, app.clients.signalOfWait(reply)))
    },
  })

  app.post('/jobs/:id/cancel', {
    config: { scope: 'enqueue', narrows: true },
    schema: {
      operationId: 'cancelJob',
      tags: ['Jobs'],
      summary: 'Cancel a job: a waiting job never runs; the handler of a running job gets an aborted signal',
      description: 'A finished job stays as it is.',
      params: JobParams,
      response: { 200: job, ...problems('JOB_NOT_FOUND', 'CONFLICT', 'JOURNAL_UNAVAILABLE') },
    },
    handler: async (request, reply) => {
      await checkJob(request, reply, ['enqueue'])
      return changed(request, await dispatcher.cancel(request.params.id))
    },
  })

  app.post('/jobs/:id/retry', {
    config: { scope: 'operate', narrows: true },
    schema: {
      operationId: 'retryJob',
      tags: ['Jobs'],
      summary: 'Queue a job again that failed, expired or was cancelled',
      description: 'It keeps its id and its history, and gets as many attempts again as it had at first.',
      params: JobParams,
      response: {
        200: job,
        ...problems('JOB_NOT_FOUND', 'SERVICE_NOT_FOUND', 'CONFLICT', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async (request, reply) => {
      await checkJob(request, reply, ['operate'])
      return changed(request, await dispatcher.retry(request.params.id))
    },
  })

  app.post('/jobs/:id/run', {
    config: { scope: 'operate', narrows: true },
    schema: {
      operationId: 'runJob',
      tags: ['Jobs'],
      summary: 'Run a job now that waits for its time: its delay, or that of its next attempt',
      description: 'It waits for its turn then, as any other job. A job that is `queued` already stays as it is.',
      params: JobParams,
      response: { 200: job, ...problems('JOB_NOT_FOUND', 'CONFLICT', 'JOURNAL_UNAVAILABLE') },
    },
    handler: async (request, reply) => {
      await checkJob(request, reply, ['operate'])
      return changed(request, await dispatcher.waitingJobs.runNow(request.params.id))
    },
  })

  app.post('/services/:service/retry-failed', {
    config: { scope: 'operate' },
    schema: {
      operationId: 'retryFailedJobs',
      tags: ['Jobs'],
      summary: 'Queue all failed jobs of a service again',
      description: 'Each gets as many attempts again as it had at first.',
      params: ServiceParams,
      response: {
        200: Type.Object({ retried: Type.Integer() }, { description: 'The number of queued jobs' }),
        ...problems('SERVICE_NOT_FOUND', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async ({ params }) => ({
      retried: await dispatcher.ofService.retryFailed(registry.get(params.service).name),
    }),
  })

  app.delete('/jobs/:id', {
    config: { scope: 'operate', narrows: true },
    schema: {
      operationId: 'deleteJob',
      tags: ['Jobs'],
      summary: 'Delete a finished job',
      description:
        'Unfinished jobs are refused: cancel them first. A job with an idempotency key is kept until the key expires.',
      params: JobParams,
      response: {
        204: Type.Null({ description: 'The job is deleted' }),
        ...problems('JOB_NOT_FOUND', 'CONFLICT', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async (request, reply) => {
      await checkJob(request, reply, ['operate'])
      const { service } = await dispatcher.remove(request.params.id)
      auditAs(request, { service })
      return reply.code(204).send(null)
    },
  })
}

/** A job that a request has changed. The path does not say of which service it is. */
function changed(request: FastifyRequest, job: Job): ReturnType<typeof jobView> {
  auditAs(request, { service: job.service })
  return jobView(job)
}
