/** Has another node answer a request of a client: its answer is passed on as it comes. */
import type { FastifyReply } from 'fastify'
import type { OutgoingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import { Hop } from './hop.ts'
import { answerHeaders, type Caller, requestHeaders } from './hop-headers.ts'
import type { Peer } from './cluster.ts'

export interface RelayedRequest {
  reply: FastifyReply
  /** JSON. */
  body: string
  caller: Caller | undefined
  /** Silence of the other node for so long is no answer. */
  withinMs: number
}

export function relay(to: Dispatcher, peer: Peer, { reply, body, caller, withinMs }: RelayedRequest): void {
  const { raw, request } = reply
  const hop = new Hop({
    raw,
    mayBeRefused: false,
    begin: (status, headers) => {
      reply.hijack()
      raw.writeHead(status, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...answerHeaders(headers) })
    },
    refused: () => false,
    done: () => {},
    failed: (_kind, cause) => {
      const detail = `the node ${peer.name} does not answer: ${cause.message}`
      const error = new ThreadplaneError('NODE_UNREACHABLE', detail, { cause, retryAfterSeconds: RETRY_AFTER_SECONDS })
      if (!raw.destroyed) reply.send(error)
    },
  })
  raw.once('close', () => hop.abandon())
  const headers = requestHeaders({ 'content-type': 'application/json' }, peer.token, caller, undefined)
  const path = request.url
  to.dispatch({ method: 'POST', path, headers, body, headersTimeout: withinMs, bodyTimeout: withinMs }, hop)
}
