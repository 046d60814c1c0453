/** The body of a call that is too large to be kept: it goes from the client to a peer as it arrives. */
import { errorCodes } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

/** Nothing of the request is read before the peer takes the first piece. */
export function pipedBody(request: IncomingMessage, maxBytes: number): Readable {
  return Readable.from(piecesOf(request, maxBytes), { objectMode: false })
}

/**
 * Reads only as fast as the pieces are taken. A request that is not read to its end stays open, so that it can be
 * answered.
 * @throws FST_ERR_CTP_BODY_TOO_LARGE
 */
async function* piecesOf(request: IncomingMessage, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0
  try {
    for await (const piece of request.iterator({ destroyOnReturn: false })) {
      bytes += (piece as Buffer).byteLength
      if (bytes > maxBytes) throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE()
      yield piece as Buffer
    }
  } finally {
    request.resume()
  }
}
