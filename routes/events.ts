/** `GET /v1/events`: what happens in this server, as a stream that can be resumed, or what is kept of it as a list. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import type { EventKind, PeerEvents } from '../src/cluster/peer-events.ts'
import type { NodeAnswer, Plane } from '../src/cluster/plane.ts'
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../src/contract/errors.ts'
import { DEFAULT_TYPES, EventFilter, type Sight } from '../src/events/event-filter.ts'
import type { EventLog } from '../src/events/event-log.ts'
import type { EventStreams } from '../src/events/event-streams.ts'
import { LINES, SSE } from '../src/events/stream-format.ts'
import type { Credentials } from '../src/http/credentials.ts'
import { problems } from '../src/http/problem-responses.ts'
import { beginStream, streamClient } from './shared/open-stream.ts'
import type { Registry } from '../src/registry/registry.ts'
import { callerOf } from './shared/caller.ts'
import { snapshotOf } from './shared/service-stats.ts'
import type { ServiceViews } from './shared/service-views.ts'

const EVENTS_TYPE = 'text/event-stream'
const LINES_TYPE = 'application/x-ndjson'
const JSON_TYPE = 'application/json'

const Query = Type.Object(
  {
    type: Type.Optional(
      Type.String({
        default: DEFAULT_TYPES,
        description: 'Types of events, with commas between them; `job.*` is all that begin so',
      }),
    ),
    service: Type.Optional(Type.String({ description: 'Names of services, with commas between them; absent: all' })),
    after: Type.Optional(
      Type.String({
        description: 'Go on after this cursor, or from the `earliest` event that is kept; absent: from now on',
      }),
    ),
    snapshot: Type.Optional(
      Type.Boolean({ default: false, description: 'The first events show the present state of the services' }),
    ),
  },
  { additionalProperties: false },
)

const EventView = Type.Object(
  { id: Type.String(), type: Type.String(), at: Type.String({ format: 'date-time' }) },
  { additionalProperties: true, description: 'What else it has depends on its type' },
)
const EventList = Type.Object(
  { items: Type.Array(EventView), cursor: Type.String({ description: 'What happens from now on comes after it' }) },
  { description: 'A stream of events, or what is kept of them' },
)

interface EventRoutesOptions {
  events: EventLog
  streams: EventStreams
  credentials: Credentials | undefined
  registry: Registry
  views: ServiceViews
  plane: Plane | undefined
  peerEvents: PeerEvents | undefined
  /** Other nodes ask, which merge the events of all. */
  isForNodes: boolean
}

export const eventRoutes: FastifyPluginAsyncTypebox<EventRoutesOptions> = async (
  app,
  { events, streams, credentials, registry, views, plane, peerEvents, isForNodes },
) => {
  app.get('/events', {
    config: { scope: ['read', 'logs'], narrows: true },
    schema: {
      operationId: 'followEvents',
      tags: ['Events'],
      summary: 'What happens in this server: server-sent events, lines of JSON, or a list, by Accept',
      description:
        'Each event has an id; a client that comes back with it, as `Last-Event-ID` or as `after`, misses nothing, or gets an event of type `gap` that says what is not kept any more.',
      querystring: Query,
      headers: Type.Object({ 'last-event-id': Type.Optional(Type.String()) }),
      response: {
        200: {
          description: 'The events',
          content: {
            [EVENTS_TYPE]: { schema: Type.String() },
            [LINES_TYPE]: { schema: Type.String() },
            [JSON_TYPE]: { schema: EventList },
          },
        },
        ...problems('MALFORMED_QUERY', 'TOO_MANY_STREAMS'),
      },
    },
    handler: async (request, reply) => {
      const { type, service, after, snapshot = false } = request.query
      const filter = EventFilter.parse(type, service, sightOf(request), isForNodes)
      if ('unknown' in filter) {
        throw new ThreadplaneError('MALFORMED_QUERY', `there is no type of event ${JSON.stringify(filter.unknown)}`)
      }
      const accepted = new Negotiator(request.raw).mediaType([EVENTS_TYPE, LINES_TYPE, JSON_TYPE]) ?? EVENTS_TYPE
      // A browser that connects again sends the first URL, and the id of the last event that it got.
      const cursor = request.headers['last-event-id'] ?? after
      const isList = accepted === JSON_TYPE
      // Other nodes are few, and each has one stream.
      if (!isList && !isForNodes && !streams.hasRoom(request.caller)) {
        const detail = `too many streams of events are open, in all (THREADPLANE_MAX_STREAMS) or of this token: close one`
        throw new ThreadplaneError('TOO_MANY_STREAMS', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS })
      }
      if (cursor !== undefined && (await plane?.resume(cursor, reply, callerOf(request)))) {
        if (!isList) streams.lend(reply.raw, streamClient(request, credentials))
        return reply
      }
      if (isList) return sendList(request, reply, filter, cursor)
      // What happens from now on is in the stream, also while other nodes are still asked.
      const now = { seq: events.lastSeq }
      const looked = request.method === 'HEAD' ? undefined : peerEvents?.look(kindsOf(filter))
      reply.raw.once('close', () => looked?.leave())
      const start = cursor === undefined ? now : startAt(cursor, filter)
      await looked?.begun
      const shown = snapshot ? await snapshotFor(request, filter) : []
      const format = accepted === LINES_TYPE ? LINES : SSE
      beginStream(reply, format.contentType, { 'event-cursor': events.idOf(start.seq) })
      // The client has hung up while other nodes were asked.
      if (reply.raw.destroyed) return reply
      if (request.method === 'HEAD') reply.raw.end()
      else {
        const resumed = cursor !== undefined
        const client = streamClient(request, credentials)
        streams.open(reply.raw, { filter, format, start, resumed, snapshot: shown, client })
      }
      return reply
    },
  })

  /** @throws MALFORMED_QUERY */
  function startAt(cursor: string, filter: EventFilter) {
    const start = events.resume(cursor, filter)
    if (start !== undefined) return start
    throw new ThreadplaneError('MALFORMED_QUERY', `${JSON.stringify(cursor)} is no cursor: use the id of an event`)
  }

  async function snapshotFor(request: FastifyRequest, filter: EventFilter): Promise<object[][]> {
    const services = registry.services.filter(({ name }) => filter.hasService(name))
    return snapshotOf(await views.summaries(services, request))
  }

  /** Sends the kept events as a list. Without a cursor, the other nodes are asked for the events that they have kept. */
  async function sendList(
    request: FastifyRequest,
    reply: FastifyReply,
    filter: EventFilter,
    cursor: string | undefined,
  ): Promise<FastifyReply> {
    const { seq } = startAt(cursor ?? 'earliest', filter)
    const own = events.after(seq, filter)
    const asks = cursor === undefined || cursor === 'earliest'
    const path = `/v1/events${request.url.includes('?') ? request.url.slice(request.url.indexOf('?')) : ''}`
    const question = {
      method: 'GET',
      path,
      accept: JSON_TYPE,
      caller: callerOf(request),
    } as const
    const answers = plane === undefined || !asks ? [] : await plane.askAll(plane.peers, question)
    const answered = answers.filter(({ status }) => status === 200)
    const ids = new Set(answered.map(({ peer }) => peer.id))
    const kept = own.filter(({ origin }) => origin === undefined || !ids.has(origin)).map(({ json }) => json)
    const items = answered.length === 0 ? kept : inOrder(kept, answered)
    const text = `{"items":[${items.join(',')}],"cursor":${JSON.stringify(events.cursor)}}`
    return reply.type(`${JSON_TYPE}; charset=utf-8`).serializer(String).send(text)
  }
}

/** Events of several nodes, by their times. */
function inOrder(own: string[], answers: NodeAnswer[]): string[] {
  const others = answers.flatMap(({ text }) => (JSON.parse(text) as { items: { at: string }[] }).items)
  const all = [...own.map((json) => JSON.parse(json) as { at: string }), ...others]
  return all.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)).map((event) => JSON.stringify(event))
}

/** What of the other nodes a stream needs. */
function kindsOf({ hasControl, hasJobs, followsJobs, wantsLogs, wantsAudit, wantsStats }: EventFilter): EventKind[] {
  return [
    ...(hasControl || hasJobs ? (['control'] as const) : []),
    ...(followsJobs ? (['jobs'] as const) : []),
    ...(wantsLogs ? (['log'] as const) : []),
    ...(wantsAudit ? (['audit'] as const) : []),
    ...(wantsStats ? (['stats'] as const) : []),
  ]
}

/** What the token of a request lets it see: `read` for events of a service, `logs` for lines of the log. */
function sightOf({ access, caller }: FastifyRequest): Sight | undefined {
  if (access === undefined) return undefined
  return {
    key: `${caller} ${access.scopes.join(' ')}`,
    sees: (type, service) => {
      if (type === 'log') return access.has(['logs'], service)
      if (type === 'audit') return access.has(['admin'])
      return service === undefined ? access.hasSome(['read']) : access.has(['read'], service)
    },
  }
}
