/**
 * A stream as the body of an answer. Each item is written as it comes, and as much more is asked for as the socket has
 * taken: a client that does not read stops the generator. The answer begins with the first item, so that what is wrong
 * before that has its own status.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import type { Invocation } from '../../src/services/invoker.ts'

const NDJSON = 'application/x-ndjson'
const EVENTS = 'text/event-stream'

/** Nobody between here and the client keeps it, or waits until there is more of it. */
const HEADERS = { 'cache-control': 'no-store', 'x-accel-buffering': 'no' }

interface Format {
  type: string
  item: (json: string) => string
  /** Of a stream that has ended well. */
  end: string
  error: (problem: string) => string
  /** Is the connection cut after an error, so that nobody takes what there is for the whole? */
  cuts: boolean
}

const FORMATS: Record<'lines' | 'events', Format> = {
  lines: { type: NDJSON, item: (json) => `${json}\n`, end: '', error: (problem) => `${problem}\n`, cuts: true },
  events: {
    type: `${EVENTS}; charset=utf-8`,
    item: (json) => `data: ${json}\n\n`,
    end: 'event: end\ndata: null\n\n',
    error: (problem) => `event: error\ndata: ${problem}\n\n`,
    cuts: false,
  },
}

export function sendItems(invocation: Invocation, request: FastifyRequest, reply: FastifyReply): void {
  const format = new Negotiator(request.raw).mediaType([NDJSON, EVENTS]) === EVENTS ? FORMATS.events : FORMATS.lines
  const { raw } = reply
  const begin = () => {
    if (raw.headersSent) return
    reply.hijack()
    raw.writeHead(200, { ...HEADERS, 'content-type': format.type })
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
        if (format.cuts) raw.destroy()
        else raw.end()
      })
    }
  })
}
