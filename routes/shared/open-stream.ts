/** What answers that go on for long have in common: their headers, and who reads them. */
import type { FastifyRequest } from 'fastify'
import type { StreamClient } from '../../src/events/open-streams.ts'
import type { Credentials } from '../../src/http/credentials.ts'

/** Proxies must neither store the stream nor wait until they have more of it. */
export const STREAM_HEADERS = {
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
}

/** @param credentials `undefined`: there are no tokens, and everybody may read on */
export function streamClient({ credential, caller }: FastifyRequest, credentials?: Credentials): StreamClient {
  const isAllowed = () => credential === undefined || credentials === undefined || credentials.isCurrent(credential)
  return { token: caller, isAllowed }
}
