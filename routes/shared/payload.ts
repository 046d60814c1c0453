/** The payload of a call or a cast, from the body of its request. */
import type { FastifyRequest } from 'fastify'
import { BytePayload } from '../../src/payload/byte-payload.ts'

/**
 * The value of the JSON body, to be validated before the queue; the thread gets the text of it. Without a body it is `{}`,
 * while a body of `null` is `null`. The request gives the value up: a request lives until its answer, and the garbage
 * collector would copy the value meanwhile.
 */
export function takePayload(request: { body: unknown }): unknown {
  const { body = {} } = request
  request.body = undefined
  return body
}

/** The bytes of the body; no bytes without a body. */
export function bytesOf({ body, headers }: FastifyRequest): unknown {
  return body === undefined ? new BytePayload(headers['content-type'], []) : body
}
