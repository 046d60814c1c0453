/**
 * Clients that take their time (P5). Headers that do not arrive are Node's affair (`headersTimeout`); this is about
 * bodies that trickle in, and answers that nobody reads.
 *
 * A client in the middle of either has credit. Time spends it, bytes earn it back, and it never grows beyond what it was
 * at first: a client that stops is cut when that has passed, one slower than `bytesPerSecond` some time later, and an
 * honest upload takes as long as it takes, which is at most its size divided by that rate.
 *
 * A request costs two assignments and no timer: it is the connections that are looked at, twice a second.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { ServiceLog } from '../contract/log.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { answerOnSocket } from './problem-details.ts'

export interface SlowClientsOptions {
  log: ServiceLog
  /** How long a body may make no progress. Default: 5 s. */
  bodyMs?: number
  /** How long an answer may be left unread, once no buffer on the way takes more of it. Default: 15 s. */
  answerMs?: number
  /** What must come, or be taken, in the long run. Default: 16 KiB. */
  bytesPerSecond?: number
  /** How often connections are looked at. Default: 0.5 s. */
  everyMs?: number
}

/** How far a client is with its body, or with what it is sent. */
interface Transfer {
  creditMs: number
  /** Bytes that had gone by when it was last looked at. */
  bytes: number
}

interface Connection {
  /** The last one that came, until its body is there. */
  request: IncomingMessage | undefined
  response: ServerResponse | undefined
  receiving: (Transfer & { request: IncomingMessage }) | undefined
  sending: (Transfer & { queued: number }) | undefined
}

export const slowClients = fp<SlowClientsOptions>(async (app, options) => {
  const { log, bodyMs = 5_000, answerMs = 15_000, bytesPerSecond = 16 * 1_024, everyMs = 500 } = options
  const connections = new Map<Socket, Connection>()

  app.server.on('connection', (socket) => {
    connections.set(socket, { request: undefined, response: undefined, receiving: undefined, sending: undefined })
    socket.once('close', () => connections.delete(socket))
  })
  app.server.prependListener('request', (request, response) => {
    const connection = connections.get(request.socket)
    if (connection === undefined) return
    connection.request = request
    connection.response = response
  })

  /** True while there is credit left. */
  const goesOn = (transfer: Transfer, bytes: number, passedMs: number, maxMs: number): boolean => {
    const earnedMs = (Math.max(bytes - transfer.bytes, 0) / bytesPerSecond) * 1_000
    transfer.creditMs = Math.min(transfer.creditMs - passedMs + earnedMs, maxMs)
    transfer.bytes = bytes
    return transfer.creditMs > 0
  }

  const lookAtBody = (socket: Socket, connection: Connection, passedMs: number): void => {
    const { request, response } = connection
    if (request === undefined || response === undefined) return
    if (request.complete) {
      connection.request = connection.response = connection.receiving = undefined
    } else if (connection.receiving?.request !== request) {
      connection.receiving = { request, creditMs: bodyMs, bytes: socket.bytesRead }
    } else if (response.writableEnded) {
      // It was answered without its body, and the rest of that is of no use to anybody.
      if (!goesOn(connection.receiving, 0, passedMs, bodyMs)) socket.destroy()
    } else if (!goesOn(connection.receiving, socket.bytesRead, passedMs, bodyMs)) {
      cutBody(socket, request, response)
    }
  }

  const cutBody = (socket: Socket, request: IncomingMessage, response: ServerResponse): void => {
    connections.delete(socket)
    log.debug({ url: request.url }, 'a body came too slowly')
    const detail = `the body made no progress for ${bodyMs} ms, or came with less than ${bytesPerSecond} bytes a second`
    // Behind an answer under way it could not be told apart from that.
    if (response.headersSent || response.socket !== socket) socket.destroy()
    else answerOnSocket(socket, new ThreadplaneError('REQUEST_TIMEOUT', detail), request.url)
  }

  const lookAtAnswer = (socket: Socket, connection: Connection, passedMs: number): void => {
    if (socket.writableLength === 0) {
      connection.sending = undefined
      return
    }
    const { sending } = connection
    // Of one large write, its callback tells only the end; the handle knows what is left of it.
    const queued = (socket as { _handle?: { writeQueueSize?: number } })._handle?.writeQueueSize ?? 0
    const written = socket.bytesWritten - socket.writableLength
    if (sending === undefined) {
      connection.sending = { creditMs: answerMs, bytes: written, queued }
      return
    }
    const taken = written === sending.bytes ? written + Math.max(sending.queued - queued, 0) : written
    const left = goesOn(sending, taken, passedMs, answerMs)
    Object.assign(sending, { bytes: written, queued })
    if (left) return
    log.debug({}, 'an answer was not read')
    socket.destroy()
  }

  let lookedAt = performance.now()
  const sweeper = setInterval(() => {
    const now = performance.now()
    // When the event loop itself was late, that is nobody's fault but ours.
    const passedMs = Math.min(now - lookedAt, 2 * everyMs)
    lookedAt = now
    for (const [socket, connection] of connections) {
      lookAtBody(socket, connection, passedMs)
      lookAtAnswer(socket, connection, passedMs)
    }
  }, everyMs)
  app.addHook('onClose', async () => clearInterval(sweeper))
})
