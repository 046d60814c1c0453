/** Has another node answer a request of a client: its answer is passed on as it comes. */
import type { FastifyReply } from 'fastify'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import { Hop } from './hop.ts'
import { answerHeaders, type Caller, requestHeaders } from './hop-headers.ts'
import type { Peer } from './cluster.ts'

export interface RelayedRequest {
  reply: FastifyReply
  path: string
  headers: IncomingHttpHeaders
  /** JSON; `undefined`: there is none. */
  body?: string
  caller: Caller | undefined
  /** The answer of the other node has to begin within this time. */
  withinMs: number
  /** Silence of the other node for so long ends the answer. */
  silentMs: number
}

/** Resolves when the answer begins, or the client leaves. @throws NODE_UNREACHABLE; then the reply is as it was */
export function relay(to: Dispatcher, peer: Peer, relayed: RelayedRequest): Promise<void> {
  const { reply, path, headers, body = null, caller, withinMs, silentMs } = relayed
  const { raw, request } = reply
  return new Promise((resolve, reject) => {
    const hop = new Hop({
      raw,
      mayBeRefused: false,
      begin: (status, answered) => {
        reply.hijack()
        raw.writeHead(status, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...answerHeaders(answered) })
        // A stream may have nothing to tell for long.
        raw.flushHeaders()
        resolve()
      },
      refused: () => false,
      done: () => {},
      failed: (_kind, cause) => {
        const detail = `the node ${peer.name} does not answer: ${cause.message}`
        reject(new ThreadplaneError('NODE_UNREACHABLE', detail, { cause, retryAfterSeconds: RETRY_AFTER_SECONDS }))
      },
    })
    raw.once('close', () => {
      hop.abandon()
      resolve()
    })
    to.dispatch(
      {
        method: request.method as Dispatcher.HttpMethod,
        path,
        headers: requestHeaders(headers, peer.token, caller, undefined),
        body,
        headersTimeout: withinMs,
        bodyTimeout: silentMs,
      },
      hop,
    )
  })
}
