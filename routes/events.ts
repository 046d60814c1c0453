/** `GET /v1/events`: what happens in this server, as a stream that can be resumed, or what is kept of it as a list. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../src/contract/errors.ts'
import { DEFAULT_TYPES, EventFilter, type Sight } from '../src/events/event-filter.ts'
import type { EventLog } from '../src/events/event-log.ts'
import type { EventStreams } from '../src/events/event-streams.ts'
import { LINES, SSE } from '../src/events/stream-format.ts'
import type { Credentials } from '../src/http/credentials.ts'
import { problems } from '../src/http/problem-responses.ts'
import { streamClient, STREAM_HEADERS } from './shared/open-stream.ts'

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
}

export const eventRoutes: FastifyPluginAsyncTypebox<EventRoutesOptions> = async (
  app,
  { events, streams, credentials },
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
    handler: (request, reply): void => {
      const { type, service, after, snapshot = false } = request.query
      const filter = EventFilter.parse(type, service, sightOf(request))
      if ('unknown' in filter) {
        throw new ThreadplaneError('MALFORMED_QUERY', `there is no type of event ${JSON.stringify(filter.unknown)}`)
      }
      const accepted = new Negotiator(request.raw).mediaType([EVENTS_TYPE, LINES_TYPE, JSON_TYPE]) ?? EVENTS_TYPE
      // A browser that connects again sends the first URL, and the id of the last event that it got.
      const cursor = request.headers['last-event-id'] ?? after
      const isList = accepted === JSON_TYPE
      const start = events.resume(cursor ?? (isList ? 'earliest' : undefined), filter)
      if (start === undefined) {
        throw new ThreadplaneError('MALFORMED_QUERY', `${JSON.stringify(cursor)} is no cursor: use the id of an event`)
      }
      if (isList) {
        const items = events.after(start.seq, filter).map(({ json }) => json)
        const text = `{"items":[${items.join(',')}],"cursor":${JSON.stringify(events.cursor)}}`
        reply.type(`${JSON_TYPE}; charset=utf-8`).serializer(String).send(text)
        return
      }
      if (!streams.hasRoom(request.caller)) {
        const detail = `too many streams of events are open, in all (THREADPLANE_MAX_STREAMS) or of this token: close one`
        throw new ThreadplaneError('TOO_MANY_STREAMS', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS })
      }
      const format = accepted === LINES_TYPE ? LINES : SSE
      const headers = { ...STREAM_HEADERS, 'content-type': format.contentType, 'event-cursor': events.idOf(start.seq) }
      reply.hijack()
      reply.raw.writeHead(200, headers)
      if (request.method === 'HEAD') reply.raw.end()
      else {
        const resumed = cursor !== undefined
        const client = streamClient(request, credentials)
        streams.open(reply.raw, { filter, format, start, resumed, snapshot, client })
      }
    },
  })
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
