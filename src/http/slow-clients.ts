/**
 * Closes the connection of a client that sends its body, or reads its answer, too slowly (P5). Node itself limits the
 * time for the headers, by `headersTimeout`.
 *
 * While a body or an answer is under way, its client has credit, in milliseconds. Time spends the credit and bytes earn
 * it back, up to its first value. So a client that stops is cut when that value has passed, a client slower than
 * `bytesPerSecond` somewhat later, and a client faster than that never, however long its upload takes.
 *
 * A request costs two assignments and no timer: a sweep looks at all connections, twice a second.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { ServiceLog } from '../contract/log.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { connectionEvent } from './connection-event.ts'
import { answerOnSocket } from './socket-errors.ts'

/** How long a client may take. docs/limits.md has these values. */
export const SLOW_CLIENT_DEFAULTS = {
  /** How long the headers of a request may take to arrive. */
  headersMs: 3_000,
  /** How long a body may make no progress. */
  bodyMs: 5_000,
  /** How long a client may read nothing of its answer, once the buffers between it and the server are full. */
  answerMs: 15_000,
  /** The rate below which a body, or the reading of an answer, is too slow in the long run. */
  bytesPerSecond: 16 * 1_024,
  /** The interval of the sweep. */
  sweepEveryMs: 500,
}

/** Tests shorten these; the server has no setting for them. */
export type SlowClientTimings = typeof SLOW_CLIENT_DEFAULTS

export interface SlowClientsOptions {
  log: ServiceLog
  timings: SlowClientTimings
}

/** A body, or an answer, under way. */
interface Transfer {
  creditMs: number
  /** Bytes that had been transferred at the last sweep. */
  bytes: number
}

interface Connection {
  /** The latest request, until its body has arrived. */
  request: IncomingMessage | undefined
  response: ServerResponse | undefined
  receiving: (Transfer & { request: IncomingMessage }) | undefined
  /** `queued`: bytes of the present write that the operating system had not accepted at the last sweep. */
  sending: (Transfer & { queued: number }) | undefined
}

export const slowClients = fp<SlowClientsOptions>(async (app, { log, timings }) => {
  const { bodyMs, answerMs, bytesPerSecond, sweepEveryMs } = timings
  const connections = new Map<Socket, Connection>()

  app.server.on(connectionEvent(app.server), (socket: Socket) => {
    connections.set(socket, { request: undefined, response: undefined, receiving: undefined, sending: undefined })
    socket.once('close', () => connections.delete(socket))
  })
  app.server.prependListener('request', (request, response) => {
    const connection = connections.get(request.socket)
    if (connection === undefined) return
    connection.request = request
    connection.response = response
  })

  /** Spends and earns credit since the last sweep. False if none is left. */
  const hasCredit = (transfer: Transfer, bytes: number, passedMs: number, maxMs: number): boolean => {
    const earnedMs = (Math.max(bytes - transfer.bytes, 0) / bytesPerSecond) * 1_000
    transfer.creditMs = Math.min(transfer.creditMs - passedMs + earnedMs, maxMs)
    transfer.bytes = bytes
    return transfer.creditMs > 0
  }

  const checkBody = (socket: Socket, connection: Connection, passedMs: number): void => {
    const { request, response } = connection
    if (request === undefined || response === undefined) return
    // It waits for its turn behind other requests of this connection.
    if (response.socket === null && !response.headersSent) return
    if (request.complete) {
      connection.request = connection.response = connection.receiving = undefined
    } else if (connection.receiving?.request !== request) {
      connection.receiving = { request, creditMs: bodyMs, bytes: socket.bytesRead }
    } else if (response.writableEnded) {
      // The request is answered already: what arrives of its body now is discarded, so it earns no credit.
      if (!hasCredit(connection.receiving, 0, passedMs, bodyMs)) socket.destroy()
    } else if (!hasCredit(connection.receiving, socket.bytesRead, passedMs, bodyMs)) {
      cutBody(socket, request, response)
    }
  }

  const cutBody = (socket: Socket, request: IncomingMessage, response: ServerResponse): void => {
    connections.delete(socket)
    log.debug({ url: request.url }, 'closed the connection of a client that sent its body too slowly')
    const detail =
      `the body arrived too slowly: there was no progress for ${bodyMs} ms, ` +
      `or fewer than ${bytesPerSecond} bytes arrived per second`
    // Within another answer, or before an earlier one, the client would take this answer for a part of that one.
    if (response.headersSent || response.socket !== socket) socket.destroy()
    else answerOnSocket(socket, new ThreadplaneError('REQUEST_TIMEOUT', detail), request.url)
  }

  const checkAnswer = (socket: Socket, connection: Connection, passedMs: number): void => {
    if (socket.writableLength === 0) {
      connection.sending = undefined
      return
    }
    const { sending } = connection
    // `bytesWritten` counts a large write only when the whole of it is written; the handle knows what is left of it.
    const queued = (socket as { _handle?: { writeQueueSize?: number } })._handle?.writeQueueSize ?? 0
    const written = socket.bytesWritten - socket.writableLength
    if (sending === undefined) {
      connection.sending = { creditMs: answerMs, bytes: written, queued }
      return
    }
    const sent = written === sending.bytes ? written + Math.max(sending.queued - queued, 0) : written
    const goesOn = hasCredit(sending, sent, passedMs, answerMs)
    Object.assign(sending, { bytes: written, queued })
    if (goesOn) return
    log.debug({}, 'closed the connection of a client that did not read its answer')
    socket.destroy()
  }

  let sweptAt = performance.now()
  const sweepTimer = setInterval(() => {
    const now = performance.now()
    // Do not charge a client for the time in which the event loop of the server was blocked.
    const passedMs = Math.min(now - sweptAt, 2 * sweepEveryMs)
    sweptAt = now
    for (const [socket, connection] of connections) {
      checkBody(socket, connection, passedMs)
      checkAnswer(socket, connection, passedMs)
    }
  }, sweepEveryMs)
  app.addHook('onClose', async () => clearInterval(sweepTimer))
})
