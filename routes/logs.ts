/** The last lines of the log: of a service, of a job, of everything; and, with `follow`, those to come. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../src/contract/errors.ts'
import { LOG_LEVELS, type LogLevel } from '../src/contract/log.ts'
import type { LogFilter, LogStreams, ShownLine } from '../src/events/log-streams.ts'
import { LINES, SSE } from '../src/events/stream-format.ts'
import type { Credentials } from '../src/http/credentials.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import type { Registry } from '../src/registry/registry.ts'
import { jobCheck } from './shared/job-check.ts'
import type { NodeLogs } from './shared/node-logs.ts'
import { ServiceParams } from './schemas/service.ts'
import { beginStream, streamClient } from './shared/open-stream.ts'

const EVENTS_TYPE = 'text/event-stream'
const LINES_TYPE = 'application/x-ndjson'
/** Lines in one answer. */
const MAX_TAIL = 10_000
/** Clients that follow the log at the same time. */
const MAX_FOLLOWERS = 100

const LogQuery = Type.Object(
  {
    tail: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_TAIL, default: 100, description: 'The last lines' })),
    follow: Type.Optional(Type.Boolean({ default: false, description: 'Go on with the lines to come' })),
    level: Type.Optional(
      Type.Unsafe<LogLevel>({ type: 'string', enum: [...LOG_LEVELS], description: 'The lowest level' }),
    ),
    since: Type.Optional(Type.String({ format: 'date-time' })),
    thread: Type.Optional(Type.Integer({ minimum: 0, description: 'The id of a thread' })),
    jobId: Type.Optional(Type.String()),
    search: Type.Optional(Type.String({ maxLength: 200, description: 'A part of the line' })),
  },
  { additionalProperties: false },
)
const AttemptQuery = Type.Object(
  { attempt: Type.Optional(Type.Integer({ minimum: 1 })) },
  { additionalProperties: false },
)
const LogHeaders = Type.Object({ 'last-event-id': Type.Optional(Type.String()) })

const lines = {
  description: 'Lines of JSON, or server-sent events by Accept',
  content: { [LINES_TYPE]: { schema: Type.String() }, [EVENTS_TYPE]: { schema: Type.String() } },
}

interface LogRoutesOptions {
  registry: Registry
  dispatcher: Dispatcher
  logs: NodeLogs
  streams: LogStreams
  credentials: Credentials | undefined
}

export const logRoutes: FastifyPluginAsyncTypebox<LogRoutesOptions> = async (
  app,
  { registry, dispatcher, logs, streams, credentials },
) => {
  const checkJob = jobCheck(dispatcher)
  const tags = ['Logs']

  app.get('/logs', {
    config: { scope: 'logs', narrows: true },
    schema: {
      operationId: 'readLogs',
      tags,
      summary: 'The last lines of the log, of all services and of the server itself',
      description:
        'Lines of JSON, or server-sent events, by `Accept`. With `follow=true` the answer continues with new lines. The newest lines of each service are kept in memory.',
      querystring: LogQuery,
      headers: LogHeaders,
      response: { 200: lines, ...problems('MALFORMED_QUERY', 'TOO_MANY_STREAMS') },
    },
    handler: async (request, reply) => {
      const { access } = request
      const sees = (service: string | undefined) => access?.has(['logs'], service) ?? true
      return send(request, reply, { ...filterOf(request.query), ...(access !== undefined && { sees }) }, request.query)
    },
  })

  app.get('/services/:service/logs', {
    config: { scope: 'logs' },
    schema: {
      operationId: 'readServiceLogs',
      tags,
      summary: 'The last lines of the log of a service, across its restarts',
      description:
        'Lines of JSON, or server-sent events, by `Accept`. With `follow=true` the answer continues with new lines.',
      params: ServiceParams,
      querystring: LogQuery,
      headers: LogHeaders,
      response: { 200: lines, ...problems('SERVICE_NOT_FOUND', 'MALFORMED_QUERY', 'TOO_MANY_STREAMS') },
    },
    handler: async (request, reply) => {
      const { name } = registry.get(request.params.service)
      return send(request, reply, { ...filterOf(request.query), service: name }, request.query)
    },
  })

  app.get('/jobs/:id/logs', {
    config: { scope: 'logs', narrows: true },
    schema: {
      operationId: 'readJobLogs',
      tags,
      summary: 'What the attempts of a job have logged, as far as it is kept',
      description:
        'The last 64 lines of a failed attempt, up to 16 KiB, are kept with the job, also over a restart of the server. Other lines are kept as long as those of the service.',
      params: Type.Object({ id: Type.String({ description: 'Id of the job' }) }),
      querystring: AttemptQuery,
      response: { 200: lines, ...problems('JOB_NOT_FOUND', 'MALFORMED_QUERY', 'JOURNAL_UNAVAILABLE') },
    },
    handler: async (request, reply) => {
      await checkJob(request, reply, ['logs'])
      const { id, service } = await dispatcher.get(request.params.id)
      const { attempt } = request.query
      const filter: LogFilter = { service, jobId: id, ...(attempt !== undefined && { attempt }) }
      const stored = storedLines(await dispatcher.overview.attemptLogs(id)).filter(
        (line) => line.attempt === (attempt ?? line.attempt),
      )
      return send(request, reply, filter, { tail: MAX_TAIL }, stored)
    },
  })

  /**
   * Writes the last lines; with `follow` the answer goes on.
   * @param stored lines that are kept elsewhere too, and may be among those of the log
   */
  async function send(
    request: FastifyRequest,
    reply: FastifyReply,
    filter: LogFilter,
    { tail = 100, follow = false }: Pick<Static<typeof LogQuery>, 'tail' | 'follow'>,
    stored: readonly StoredLine[] = [],
  ): Promise<FastifyReply> {
    if (follow && streams.count >= MAX_FOLLOWERS) {
      const detail = `${streams.count} clients follow the log: close one, or try later`
      throw new ThreadplaneError('TOO_MANY_STREAMS', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS })
    }
    const after = request.headers['last-event-id']?.toString()
    if (after !== undefined && (await logs.resume(after, request, reply))) {
      if (follow) streams.lend(reply.raw, streamClient(request, credentials))
      return reply
    }
    const isSse = new Negotiator(request.raw).mediaType([LINES_TYPE, EVENTS_TYPE]) === EVENTS_TYPE
    const format = isSse ? SSE : LINES
    const since = logs.lastSeq
    const looked = follow ? logs.look() : undefined
    reply.raw.once('close', () => looked?.leave())
    await looked?.begun
    // A client that resumes gets all that it missed.
    const kept =
      after === undefined
        ? await logs.last(request, filter, { tail, since, stored })
        : await logs.missed(request, filter, { after, since, stored, follows: follow, tail })
    beginStream(reply, format.contentType)
    // The client has hung up while other nodes were asked.
    if (reply.raw.destroyed) return reply
    if (request.method === 'HEAD') {
      reply.raw.end()
      return reply
    }
    if (follow) reply.raw.flushHeaders()
    const follower = follow ? streamClient(request, credentials) : undefined
    streams.write(reply.raw, { filter, format, kept, ...(follower !== undefined && { follower }) })
    return reply
  }
}

/** A line that is kept with its job. */
interface StoredLine extends ShownLine {
  attempt: number
}

/** @param logs lines of JSON; what is damaged is left out */
function storedLines(logs: readonly string[]): StoredLine[] {
  return logs
    .flatMap((log) => log.split('\n'))
    .flatMap((json) => {
      try {
        const { id, time, attempt } = JSON.parse(json) as { id: string; time: string; attempt: number }
        return [{ id, time: Date.parse(time), attempt, json }]
      } catch {
        return []
      }
    })
}

function filterOf({ level, since, thread, jobId, search }: Static<typeof LogQuery>): LogFilter {
  return {
    ...(level !== undefined && { level }),
    ...(since !== undefined && { since: Date.parse(since) }),
    ...(thread !== undefined && { thread }),
    ...(jobId !== undefined && { jobId }),
    ...(search !== undefined && { search }),
  }
}
