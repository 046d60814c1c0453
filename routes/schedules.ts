/** Schedules of a service: jobs that are cast at the times of a cron expression. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ThreadplaneError } from '../src/contract/errors.ts'
import { MAX_PAYLOAD_BYTES } from '../src/jobs/schedule-room.ts'
import type { Schedules, ScheduleStatus } from '../src/jobs/schedules.ts'
import { NAME_PATTERN } from '../src/contract/options.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import { accepted } from './schemas/invocation.ts'
import { jobView } from './schemas/job.ts'
import { ScheduleView } from './schemas/schedule.ts'
import { mayList, mayShow } from './shared/sensitive.ts'
import { ServiceParams } from './schemas/service.ts'

const ScheduleParams = Type.Object({
  service: Type.String({ description: 'Name of the service' }),
  name: Type.String({ description: 'Name of the schedule' }),
})

const ScheduleSpec = Type.Object(
  {
    cron: Type.String({
      maxLength: 256,
      description: 'A cron expression of 5 fields, or 6 with seconds first',
      examples: ['0 3 * * *'],
    }),
    timezone: Type.Optional(Type.String({ maxLength: 64, default: 'UTC', examples: ['Europe/Vienna'] })),
    method: Type.String(),
    payload: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false },
)

/** The body that sets a schedule: its payload, and what is beside it. */
const MAX_SCHEDULE_BYTES = MAX_PAYLOAD_BYTES + 4_096

interface ScheduleRoutesOptions {
  registry: Registry
  schedules: Schedules
  maxBodyBytes: number
}

export const scheduleRoutes: FastifyPluginAsyncTypebox<ScheduleRoutesOptions> = async (
  app,
  { registry, schedules, maxBodyBytes },
) => {
  const schedule = Type.Ref('Schedule', { description: 'The schedule' })
  const tags = ['Schedules']

  /** Schedules of a service that does not exist any more can still be seen and deleted. @throws SERVICE_NOT_FOUND */
  const known = async (service: string) => {
    if (registry.find(service) === undefined && !(await schedules.has(service))) registry.get(service)
    return service
  }

  app.get('/schedules', {
    config: { scope: 'read', narrows: true },
    schema: {
      operationId: 'listAllSchedules',
      tags,
      summary: 'List the schedules of all services',
      description: 'Those whose next tick comes first are first. Payloads are in the lists of the services.',
      response: {
        200: Type.Object({ items: Type.Array(Type.Ref('Schedule')) }, { description: 'The schedules' }),
        ...problems('JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async ({ access }) => {
      const seen = (await schedules.all()).filter(
        ({ service }) => access === undefined || access.has(['read'], service),
      )
      return { items: seen.map((status) => scheduleView(status, false)) }
    },
  })

  app.get('/services/:service/schedules', {
    config: { scope: 'read' },
    schema: {
      operationId: 'listSchedules',
      tags,
      summary: 'List the schedules of a service',
      description: 'With the time of the next tick, and of the last one.',
      params: ServiceParams,
      response: {
        200: Type.Object({ items: Type.Array(Type.Ref('Schedule')) }, { description: 'The schedules' }),
        ...problems('SERVICE_NOT_FOUND', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async (request) => {
      const statuses = await schedules.list(await known(request.params.service))
      const items = statuses.map((status) => scheduleView(status, mayList(registry, status, request)))
      return { items }
    },
  })

  app.get('/services/:service/schedules/:name', {
    config: { scope: 'read' },
    schema: {
      operationId: 'getSchedule',
      tags,
      summary: 'Show a schedule',
      description: 'With the time of the next tick, and of the last one.',
      params: ScheduleParams,
      response: { 200: schedule, ...problems('SERVICE_NOT_FOUND', 'SCHEDULE_NOT_FOUND', 'JOURNAL_UNAVAILABLE') },
    },
    handler: async (request) => {
      const { service, name } = request.params
      const status = await schedules.get(await known(service), name)
      return scheduleView(status, mayShow(registry, status, request))
    },
  })

  app.put('/services/:service/schedules/:name', {
    config: { scope: 'operate' },
    bodyLimit: Math.min(maxBodyBytes, MAX_SCHEDULE_BYTES),
    schema: {
      operationId: 'putSchedule',
      tags,
      summary: 'Create or replace a schedule: one job for each tick; ticks missed while the server was down run once',
      description:
        'The cron expression is evaluated in the time zone of the schedule. A change takes effect with the next tick.',
      params: ScheduleParams,
      body: ScheduleSpec,
      response: {
        200: Type.Ref('Schedule', { description: 'The schedule was replaced' }),
        201: Type.Ref('Schedule', { description: 'The schedule is new' }),
        ...problems(
          'MALFORMED_BODY',
          'SERVICE_NOT_FOUND',
          'METHOD_NOT_FOUND',
          'CONFLICT',
          'PAYLOAD_TOO_LARGE',
          'UNSUPPORTED_MEDIA_TYPE',
          'VALIDATION_FAILED',
          'SERVICE_NOT_RUNNING',
          'JOURNAL_UNAVAILABLE',
          'DEADLINE_EXCEEDED',
        ),
      },
    },
    handler: async ({ params: { service: serviceName, name }, body }, reply) => {
      const service = registry.get(serviceName)
      if (!NAME_PATTERN.test(name)) {
        const message = `the schedule name ${JSON.stringify(name)} does not match ${NAME_PATTERN.source}`
        throw new ThreadplaneError('VALIDATION_FAILED', message, { errors: [{ pointer: '', message }] })
      }
      const { cron, timezone = 'UTC', method, payload = {} } = body
      const spec = { service: serviceName, name, cron, timezone, method, payload, source: 'http' } as const
      const isNew = await schedules.put(service, spec)
      return reply.code(isNew ? 201 : 200).send(scheduleView(await schedules.get(serviceName, name)))
    },
  })

  app.delete('/services/:service/schedules/:name', {
    config: { scope: 'operate' },
    schema: {
      operationId: 'deleteSchedule',
      tags,
      summary: 'Delete a schedule; its jobs stay',
      description: 'No further tick casts a job.',
      params: ScheduleParams,
      response: {
        204: Type.Null({ description: 'The schedule is deleted' }),
        ...problems('SERVICE_NOT_FOUND', 'SCHEDULE_NOT_FOUND', 'JOURNAL_UNAVAILABLE'),
      },
    },
    handler: async ({ params }, reply) => {
      await schedules.remove(await known(params.service), params.name)
      return reply.code(204).send(null)
    },
  })

  app.post('/services/:service/schedules/:name/run', {
    config: { scope: 'operate' },
    schema: {
      operationId: 'runSchedule',
      tags,
      summary: 'Cast the job of a schedule now',
      description: 'As a tick would: with the payload and the options of the schedule. Its next tick stays as it is.',
      params: ScheduleParams,
      response: {
        202: accepted('The job is on disk'),
        ...problems(
          'SERVICE_NOT_FOUND',
          'METHOD_NOT_FOUND',
          'SCHEDULE_NOT_FOUND',
          'VALIDATION_FAILED',
          'JOURNAL_UNAVAILABLE',
        ),
      },
    },
    handler: async ({ params }, reply) => {
      const job = await schedules.run(registry.get(params.service), params.name)
      return reply.code(202).header('location', `${app.prefix}/jobs/${job.id}`).send(jobView(job))
    },
  })
}

function scheduleView(status: ScheduleStatus, showPayload = true): ScheduleView {
  const { service, name, cron, timezone, method, source, payload, nextAt, lastTickAt, error } = status
  return {
    service,
    name,
    cron,
    timezone,
    method,
    source,
    ...(showPayload && payload !== undefined && { payload }),
    nextRunAt: nextAt === undefined ? null : new Date(nextAt).toISOString(),
    lastRunAt: lastTickAt === null ? null : new Date(lastTickAt).toISOString(),
    error: error === undefined ? null : { code: error.code, message: error.message },
  }
}
