/**
 * How much one client may take of the server (P5): connections, requests sent ahead on one connection, headers of a
 * request. `slow-clients.ts` limits the time that a client may take.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../contract/errors.ts'
import { connectionEvent } from './connection-event.ts'
import { answerOnSocket } from './socket-errors.ts'

export interface ClientLimitsOptions {
  maxConnections: number
  /** Headers of a request beyond those that a client may send. */
  moreHeaders: number
}

/** Connections beyond the limit that are answered 503 at the same time. Node closes further ones without an answer. */
const MAX_REFUSALS = 1_000
const MAX_HEADERS = 100
/** Requests that a client has sent ahead on one connection and that wait for their turn to be answered. */
const MAX_PIPELINED = 100

export const clientLimits = fp<ClientLimitsOptions>(async (app, { maxConnections, moreHeaders }) => {
  const { server } = app
  const maxHeaders = MAX_HEADERS + moreHeaders
  server.maxConnections = maxConnections + MAX_REFUSALS
  // 0 is no limit. With a limit Node silently drops the headers beyond it, and any header may be among those.
  server.maxHeadersCount = 0
  let served = 0
  server.on(connectionEvent(server), (socket: Socket) => {
    if (served >= maxConnections) {
      const detail = `the server has ${maxConnections} open connections and serves no more: close one, or try again later`
      return answerOnSocket(socket, new ThreadplaneError('TOO_MANY_CONNECTIONS', detail))
    }
    served += 1
    socket.once('close', () => {
      served -= 1
    })
  })

  const pipelined = new WeakMap<Socket, ServerResponse[]>()
  server.prependListener('request', ({ socket }, response) => {
    // Node assigns the socket to the response whose turn it is: then no earlier request of this connection waits.
    if (response.socket !== null) return
    const waiting = (pipelined.get(socket) ?? []).filter(({ writableEnded }) => !writableEnded)
    pipelined.set(socket, waiting)
    if (waiting.push(response) > MAX_PIPELINED) socket.destroy()
  })

  // One answer at a time: the answers to requests that were sent ahead would wait in memory for a client that reads none.
  app.addHook('onRequest', (_request, { raw }, done) => {
    if (raw.socket !== null) return done()
    raw.once('socket', () => done())
  })

  // Ignore an `Expect` header other than `100-continue`. Node would answer 417 by itself, without a problem document.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))

  app.addHook('onRequest', ({ raw }, _reply, done) => {
    const headers = raw.rawHeaders.length / 2
    if (headers <= maxHeaders) return done()
    const detail = `the request has ${headers} headers: a request may have at most ${maxHeaders} headers`
    done(new ThreadplaneError('MALFORMED_HEADER', detail))
  })
})
