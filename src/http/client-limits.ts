/**
 * How much of a server one client may take (P5): connections in all, requests of one connection that wait for their
 * answer, headers of a request. What it may take of time is the affair of slow-clients.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../contract/errors.ts'
import { answerOnSocket } from './problem-details.ts'

export interface ClientLimitsOptions {
  maxConnections: number
}

/** Connections beyond the limit that are told so at a time; the others are closed without a word. */
const MAX_REFUSALS = 1_000
const MAX_HEADERS = 100
/** Requests sent ahead on a connection whose answers are not there yet. */
const MAX_PIPELINED = 100

export const clientLimits = fp<ClientLimitsOptions>(async (app, { maxConnections }) => {
  const { server } = app
  server.maxConnections = maxConnections + MAX_REFUSALS
  // All of them: Node would leave out those after the thousandth, which may be any.
  server.maxHeadersCount = 0
  let served = 0
  server.on('connection', (socket) => {
    if (served >= maxConnections) {
      const detail = `${maxConnections} connections are open: more are not served`
      return answerOnSocket(socket, new ThreadplaneError('TOO_MANY_CONNECTIONS', detail))
    }
    served += 1
    socket.once('close', () => {
      served -= 1
    })
  })

  const pipelined = new WeakMap<Socket, ServerResponse[]>()
  server.prependListener('request', ({ socket }, response) => {
    // Its turn to answer has come: nothing else of this connection waits.
    if (response.socket !== null) return
    const waiting = (pipelined.get(socket) ?? []).filter(({ writableEnded }) => !writableEnded)
    pipelined.set(socket, waiting)
    if (waiting.push(response) > MAX_PIPELINED) socket.destroy()
  })

  // What a client expects beyond `100-continue` is ignored; Node would answer by itself, with no problem document.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))

  app.addHook('onRequest', ({ raw }, _reply, done) => {
    const headers = raw.rawHeaders.length / 2
    if (headers <= MAX_HEADERS) return done()
    done(
      new ThreadplaneError('MALFORMED_HEADER', `a request has at most ${MAX_HEADERS} headers; this one has ${headers}`),
    )
  })
})
