/**
 * How many bytes of bodies may be under way in all (P5). A body counts from its headers on, and until its answer: until
 * then the payload of a call is kept, as another thread may have to get it. What has no room is refused.
 */
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../contract/errors.ts'
import { answerOnSocket } from './socket-errors.ts'

/** Smaller bodies do not count: connections bound their number. */
const SMALL_BYTES = 16 * 1024

export const bodyBudget = fp<{ maxBytes: number }>(async (app, { maxBytes }) => {
  let underWay = 0
  const noRoom = () => {
    const detail = `bodies of ${maxBytes} bytes are under way (THREADPLANE_MAX_BODIES): try again later`
    return new ThreadplaneError('TOO_MANY_BODIES', detail)
  }

  app.addHook('onRequest', ({ raw: request, routeOptions, url }, { raw: response }, done) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    const { bodyLimit } = routeOptions
    if (encoding === undefined) {
      const bytes = Number(length ?? 0)
      // A body beyond the limit of its route is not read.
      if (bytes <= SMALL_BYTES || bytes > bodyLimit) return done()
      if (underWay + bytes > maxBytes) return done(noRoom())
      underWay += bytes
      response.once('close', () => {
        underWay -= bytes
      })
      return done()
    }
    let bytes = 0
    const release = () => {
      underWay -= bytes
      bytes = 0
    }
    const count = ({ byteLength }: Uint8Array) => {
      bytes += byteLength
      underWay += byteLength
      if (underWay <= maxBytes) return
      request.off('data', count)
      release()
      if (response.headersSent || response.socket === null) request.socket.destroy()
      else answerOnSocket(request.socket, noRoom(), url)
    }
    // The parser of the body listens in this turn too, so it misses nothing.
    request.on('data', count)
    response.once('close', release)
    done()
  })
})
