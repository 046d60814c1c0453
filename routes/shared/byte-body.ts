/** Bytes over HTTP: reads the body of a call as it arrives, and sends a result that is bytes. */
import { errorCodes, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Readable } from 'node:stream'
import type { BytesDescription } from '../../src/contract/description.ts'
import { BytePayload } from '../../src/payload/byte-payload.ts'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import { OCTETS } from '../../src/payload/media-types.ts'

/** Collects the pieces of a body up to `bodyLimit` of the route. They are joined when the method is handed to a thread. */
export function readBody(
  { headers, routeOptions: { bodyLimit } }: FastifyRequest,
  body: Readable,
  done: (error: Error | null, payload?: BytePayload) => void,
): void {
  if (Number(headers['content-length']) > bodyLimit) return done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
  const pieces: Buffer[] = []
  let size = 0
  const onData = (piece: Buffer) => {
    size += piece.byteLength
    if (size <= bodyLimit) pieces.push(piece)
    else finish(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
  }
  const finish = (error: Error | null) => {
    body.off('data', onData).off('end', onEnd).off('error', onError)
    if (error === null) done(null, new BytePayload(headers['content-type'], pieces))
    else done(error)
  }
  const onEnd = () => finish(null)
  const onError = (cause: Error) => {
    finish(new ThreadplaneError('MALFORMED_BODY', 'the connection failed before the whole body arrived', { cause }))
  }
  body.on('data', onData).on('end', onEnd).on('error', onError)
}

export function sendBytes(reply: FastifyReply, bytes: Uint8Array, described: BytesDescription | undefined): void {
  const { buffer, byteOffset, byteLength } = bytes
  reply.type(described?.types[0] ?? OCTETS).send(Buffer.from(buffer, byteOffset, byteLength))
}
