/** What answers that go on for long have in common: their headers, and who reads them. */
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { StreamClient } from '../../src/events/open-streams.ts'
import type { Credentials } from '../../src/http/credentials.ts'

/** Proxies must neither store the stream nor wait until they have more of it. */
const STREAM_HEADERS = {
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
}

/** Takes the reply over from Fastify, and sends its headers: those that hooks have set, too. */
export function beginStream(reply: FastifyReply, contentType: string, headers: OutgoingHttpHeaders = {}): void {
  reply.hijack()
  if (reply.raw.destroyed) return
  const set = reply.getHeaders() as OutgoingHttpHeaders
  reply.raw.writeHead(200, { ...set, ...STREAM_HEADERS, 'content-type': contentType, ...headers })
}

/** @param credentials `undefined`: there are no tokens, and everybody may read on */
export function streamClient({ credential, caller }: FastifyRequest, credentials?: Credentials): StreamClient {
  const isAllowed = () => credential === undefined || credentials === undefined || credentials.isCurrent(credential)
  return { token: caller, isAllowed }
}
