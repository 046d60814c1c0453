/** Bodies of methods that take or return bytes. */
import { errorCodes, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Readable } from 'node:stream'
import { BytePayload } from '../src/byte-payload.ts'
import { ThreadplaneError } from '../src/errors.ts'
import { OCTETS } from '../src/media-types.ts'
import type { BytesDescription } from '../src/protocol.ts'

/**
 * In the pieces in which they come, which become one when a thread is handed the method. As far as `bodyLimit` of the route.
 * @throws PAYLOAD_TOO_LARGE, MALFORMED_BODY
 */
export async function readBytes({ headers, routeOptions }: FastifyRequest, body: Readable): Promise<BytePayload> {
  const { bodyLimit } = routeOptions
  if (Number(headers['content-length']) > bodyLimit) throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE()
  const pieces: Buffer[] = []
  let size = 0
  return new Promise((resolve, reject) => {
    body.on('data', (piece: Buffer) => {
      size += piece.byteLength
      if (size > bodyLimit) reject(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
      else pieces.push(piece)
    })
    body.once('end', () => resolve(new BytePayload(headers['content-type'], pieces)))
    body.once('error', (cause) => reject(new ThreadplaneError('MALFORMED_BODY', 'the body has no end', { cause })))
  })
}

/** Without a body there are no bytes. */
export function bytesOf({ body, headers }: FastifyRequest): unknown {
  return body === undefined ? new BytePayload(headers['content-type'], []) : body
}

export function sendBytes(reply: FastifyReply, bytes: Uint8Array, described: BytesDescription | undefined): void {
  const { buffer, byteOffset, byteLength } = bytes
  reply.type(described?.types[0] ?? OCTETS).send(Buffer.from(buffer, byteOffset, byteLength))
}
