/**
 * Sends the items of a stream as the body of the answer. Each item is written when it arrives. Its credit goes back to
 * the thread when the socket has taken it, so a client that does not read stops the generator. The answer begins with the
 * first item: an error before that is an error answer with its own status.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import type { Invocation } from '../../src/services/call-invoker.ts'
import { beginStream } from './open-stream.ts'

const NDJSON = 'application/x-ndjson'
const EVENTS = 'text/event-stream'

interface Format {
  contentType: string
  item: (json: string) => string
  /** What follows the last item of a stream that succeeded. */
  end: string
  error: (problem: string) => string
  /** Close the connection after an error, before the end of the body: the client must not take it for a complete stream. */
  cutAfterError: boolean
}

const FORMATS: Record<'lines' | 'events', Format> = {
  lines: {
    contentType: NDJSON,
    item: (json) => `${json}\n`,
    end: '',
    error: (problem) => `${problem}\n`,
    cutAfterError: true,
  },
  events: {
    contentType: `${EVENTS}; charset=utf-8`,
    item: (json) => `data: ${json}\n\n`,
    end: 'event: end\ndata: null\n\n',
    error: (problem) => `event: error\ndata: ${problem}\n\n`,
    cutAfterError: false,
  },
}

/** Takes over the reply: as server-sent events if `Accept` names them, else as NDJSON. */
export function sendItems(invocation: Invocation, request: FastifyRequest, reply: FastifyReply): void {
  const format = new Negotiator(request.raw).mediaType([NDJSON, EVENTS]) === EVENTS ? FORMATS.events : FORMATS.lines
  const { raw } = reply
  const begin = () => {
    if (raw.headersSent) return
    beginStream(reply, format.contentType)
  }
  invocation.onItem = (json, cost) => {
    begin()
    raw.write(format.item(json as string), () => invocation.credit(cost))
  }
  invocation.whenSettled((error) => {
    if (error !== undefined && !raw.headersSent) {
      reply.send(error)
      return
    }
    if (raw.destroyed) return
    begin()
    if (error === undefined) raw.end(format.end)
    else {
      raw.write(format.error(JSON.stringify(reply.server.problemOf(error, request))), () => {
        if (format.cutAfterError) raw.destroy()
        else raw.end()
      })
    }
  })
}
