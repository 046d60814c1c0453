/** Sends a call to the node where its service runs, before its body is parsed. */
import { errorCodes, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Peer } from '../../src/cluster/cluster.ts'
import type { CallBody } from '../../src/cluster/forwarded-call.ts'
import type { Forwarder } from '../../src/cluster/forwarder.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { readBody } from './byte-body.ts'
import { callerOf } from './caller.ts'
import { MAX_TIMEOUT_MS, readPreference, requestTimeoutMs } from './request-headers.ts'

/** A larger body is not kept, so the call is sent to one peer only. */
const MAX_KEPT_BYTES = 64 * 1024

export type CallRequest = FastifyRequest<{ Params: { service: string; method: string } }>

/** Is the call kept as a job? Jobs are accepted by the node that is asked, wherever they run. */
export function makesJob({ headers }: FastifyRequest): boolean {
  if (headers['idempotency-key'] !== undefined) return true
  return headers.prefer !== undefined && readPreference(headers.prefer).respondAsync
}

/**
 * @param service as this node knows it: where it does not know the deadline of the method, the peer's own ends the call
 * @throws MALFORMED_HEADER, PAYLOAD_TOO_LARGE
 */
export function forwardCall(
  forwarder: Forwarder,
  peer: Peer,
  service: SupervisedService | undefined,
  request: CallRequest,
  reply: FastifyReply,
): void {
  const { headers, params } = request
  const { bodyLimit } = request.routeOptions
  const ofRequest = requestTimeoutMs(headers['request-timeout'])
  const forward = (body: CallBody) => {
    forwarder.forward(peer, {
      ...params,
      reply,
      body,
      requestTimeoutMs: ofRequest,
      timeoutMs: ofRequest ?? (service?.described ? service.methodOptions(params.method).timeoutMs : MAX_TIMEOUT_MS),
      caller: callerOf(request),
    })
  }
  const bytes = Number(headers['content-length'] ?? 0)
  if (bytes > bodyLimit) throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE()
  if (headers['transfer-encoding'] !== undefined || bytes > MAX_KEPT_BYTES) {
    // `body-budget.ts` counts a body without a length as it is read: here it waits until the peer takes it.
    request.raw.pause()
    forward({ kind: 'piped', maxBytes: bodyLimit })
  } else if (bytes === 0) forward({ kind: 'whole', bytes: null })
  else {
    readBody(request, request.raw, (error, payload) => {
      if (payload === undefined) reply.send(error)
      else forward({ kind: 'whole', bytes: payload.whole })
    })
  }
}
