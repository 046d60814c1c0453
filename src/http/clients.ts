/**
 * The connections of clients, when the server closes. Node's `server.close()` waits for each connection that is not idle
 * at that moment. Without this file a client that waits for a job, keeps its connection after an answer, or has sent half
 * a request would hold the close until THREADPLANE_SHUTDOWN_TIMEOUT.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { FastifyReply } from 'fastify'
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import type { ServiceLog } from '../contract/log.ts'
import { connectionEvent } from './connection-event.ts'
import { answerOnSocket, closeAfterAnswers, pendingAnswer } from './socket-errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    clients: Clients
  }
}

/** How long, after the last method has ended, a client may read nothing of its answer before its connection is closed. */
const CUT_AFTER_MS = 500

class Clients {
  readonly #sockets = new Set<Socket>()
  /** Connections whose clients send requests ahead of answers. */
  readonly #pipelined = new WeakSet<Socket>()
  /** Waits of clients for jobs. */
  readonly #waits = new Set<AbortController>()
  readonly #log: ServiceLog
  #leaving = false
  closing = false
  #sweepTimer: NodeJS.Timeout | undefined

  constructor(log: ServiceLog) {
    this.#log = log
  }

  get count(): number {
    return this.#sockets.size
  }

  add(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  received({ socket }: IncomingMessage, answer: ServerResponse): void {
    // Node assigns the socket to the answer whose turn it is: an earlier answer of this connection is under way.
    if (answer.socket === null) this.#pipelined.add(socket)
    else if (this.#leaving) answer.shouldKeepAlive = false
  }

  /** From now on each answer closes its connection, so that the client or the proxy opens the next one to another server. */
  startLeaving(): void {
    this.#leaving = true
  }

  /** Aborted when the client of this reply is gone, and when the server begins to close. */
  signalOfWait({ raw }: FastifyReply): AbortSignal {
    const wait = new AbortController()
    if (this.closing || raw.destroyed) wait.abort()
    this.#waits.add(wait)
    raw.once('close', () => {
      this.#waits.delete(wait)
      wait.abort()
    })
    return wait.signal
  }

  /** The server begins to close. Methods still run, and their answers will be sent. */
  startClosing(): void {
    this.closing = true
    for (const wait of this.#waits) wait.abort()
    for (const socket of this.#sockets) {
      const answer = pendingAnswer(socket)
      if (answer === undefined) continue
      if (isHalfSent(answer)) refuse(socket, answer)
      else {
        // Say `Connection: close`, if the headers are not sent yet. Node would leave out the answers behind this one.
        if (!this.#pipelined.has(socket)) answer.shouldKeepAlive = false
        closeAfterAnswers(socket)
      }
    }
  }

  /**
   * No method runs any more. Closes every connection once its answers are written. Resolves when the present connections
   * are closed: Node's `server.close()` would destroy a connection whose answer is not written yet.
   */
  async finishClosing(): Promise<void> {
    const closed = [...this.#sockets].map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    )
    const sent = new Map<Socket, number>()
    this.#sweep(sent)
    this.#sweepTimer = setInterval(() => this.#sweep(sent), CUT_AFTER_MS).unref()
    await Promise.all(closed)
  }

  /** @param sent bytes that each client had read at the last sweep */
  #sweep(sent: Map<Socket, number>): void {
    let cut = 0
    for (const socket of this.#sockets) {
      const answer = pendingAnswer(socket)
      // Also half a header: after `server.close()` Node does not enforce `headersTimeout` any more.
      if (answer === undefined) socket.destroySoon()
      else if (isHalfSent(answer)) refuse(socket, answer)
      else if (socket.writableLength > 0 && sent.get(socket) === sentBytes(socket)) {
        cut += 1
        socket.destroy()
      } else sent.set(socket, sentBytes(socket))
    }
    if (cut > 0) this.#log.warn(`closed ${cut} connections: their clients read nothing for ${CUT_AFTER_MS} ms`)
  }

  /** All connections are closed. */
  closed(): void {
    clearInterval(this.#sweepTimer)
  }
}

/** The body has not arrived, and no answer has begun. */
function isHalfSent({ req, headersSent }: ServerResponse<IncomingMessage>): boolean {
  return !req.complete && !headersSent
}

function refuse(socket: Socket, { req }: ServerResponse<IncomingMessage>): void {
  const detail = 'the server is shutting down, and the body of this request has not arrived: send it again later'
  const facts = { retryAfterSeconds: RETRY_AFTER_SECONDS }
  answerOnSocket(socket, new ThreadplaneError('SHUTTING_DOWN', detail, facts), req.url)
}

/** Grows while the client reads. `bytesWritten` counts a large write at once; the handle knows what is left of it. */
function sentBytes(socket: Socket): number {
  const queued = (socket as { _handle?: { writeQueueSize?: number } })._handle?.writeQueueSize ?? 0
  return socket.bytesWritten - socket.writableLength - queued
}

export interface ClientsOptions {
  log: ServiceLog
  /** False: the connections are those of another application, which closes them. */
  tracksConnections: boolean
}

export const clients = fp<ClientsOptions>(async (app, { log, tracksConnections }) => {
  const known = new Clients(log)
  app.decorate('clients', known)
  if (!tracksConnections) return
  app.server.on(connectionEvent(app.server), (socket: Socket) => known.add(socket))
  app.server.prependListener('request', (request, response) => known.received(request, response))
  app.addHook('onClose', async () => known.closed())
})
