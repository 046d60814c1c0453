/** Bodies of calls in the pieces in which they come, and those of answers that are bytes. */
import { errorCodes, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Readable } from 'node:stream'
import type { BytesDescription } from '../../src/contract/description.ts'
import { BytePayload } from '../../src/payload/byte-payload.ts'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import { OCTETS } from '../../src/payload/media-types.ts'

/** The pieces become one when a thread is handed the method. As far as `bodyLimit` of the route. */
export function readBody(
  { headers, routeOptions: { bodyLimit } }: FastifyRequest,
  body: Readable,
  done: (error: Error | null, payload?: BytePayload) => void,
): void {
  if (Number(headers['content-length']) > bodyLimit) return done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
  const pieces: Buffer[] = []
  let size = 0
  const read = (piece: Buffer) => {
    size += piece.byteLength
    if (size <= bodyLimit) pieces.push(piece)
    else end(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
  }
  const end = (error: Error | null) => {
    body.off('data', read).off('end', ended).off('error', failed)
    if (error === null) done(null, new BytePayload(headers['content-type'], pieces))
    else done(error)
  }
  const ended = () => end(null)
  const failed = (cause: Error) => end(new ThreadplaneError('MALFORMED_BODY', 'the body has no end', { cause }))
  body.on('data', read).on('end', ended).on('error', failed)
}

/** Without a body there are no bytes. */
export function bytesOf({ body, headers }: FastifyRequest): unknown {
  return body === undefined ? new BytePayload(headers['content-type'], []) : body
}

export function sendBytes(reply: FastifyReply, bytes: Uint8Array, described: BytesDescription | undefined): void {
  const { buffer, byteOffset, byteLength } = bytes
  reply.type(described?.types[0] ?? OCTETS).send(Buffer.from(buffer, byteOffset, byteLength))
}
