/**
 * Problem documents for requests that Fastify never gets, or cannot answer: what is not HTTP, what arrives too slowly,
 * one connection too many. They are written to the socket by hand, and the connection is closed.
 */
import { type IncomingMessage, maxHeaderSize, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { ThreadplaneError } from '../contract/errors.ts'
import { problemHeaders, toProblem } from './problem-document.ts'

/** How long a client may take to read the answer before its connection is closed, even if it still sends. */
const CLOSE_AFTER_MS = 500

/**
 * For Node's `clientError`: the parser refuses the request, or its headers are late.
 * @param headersMs the deadline of the headers
 */
export function answerMalformedRequest(error: NodeJS.ErrnoException, socket: Socket, headersMs: number): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return void socket.destroy()
  const answer = pendingAnswer(socket)
  const isOfPendingRequest = answer?.req.complete === false && !answer.headersSent
  if (answer === undefined || isOfPendingRequest) answerOnSocket(socket, toThreadplaneError(error, headersMs))
  else closeAfterAnswers(socket)
}

/** A server is no proxy: Node would close the connection without an answer. */
export function answerConnect({ url = '' }: IncomingMessage, socket: Socket): void {
  if (pendingAnswer(socket) !== undefined) return closeAfterAnswers(socket)
  const detail = 'the server is no proxy: it does not accept CONNECT'
  answerOnSocket(socket, new ThreadplaneError('METHOD_NOT_ALLOWED', detail), url, { Allow: 'GET' })
}

/** The answer whose turn it is on this connection, until all of it is written. Later requests wait behind it. */
export function pendingAnswer(socket: Socket): ServerResponse<IncomingMessage> | undefined {
  return (socket as { _httpMessage?: ServerResponse<IncomingMessage> | null })._httpMessage ?? undefined
}

/**
 * Reads no further request. Closes the connection when the answers that are under way are written: an error answer before
 * or within one of them would be taken for a part of it.
 */
export function closeAfterAnswers(socket: Socket): void {
  discardInput(socket)
  const closeUnlessPending = () => {
    const answer = pendingAnswer(socket)
    if (answer === undefined) return socket.destroySoon()
    // The rest of this request cannot be read.
    if (!answer.req.complete && !answer.headersSent) return socket.destroySoon()
    answer.once('finish', closeUnlessPending)
  }
  closeUnlessPending()
}

function toThreadplaneError({ code, message }: NodeJS.ErrnoException, headersMs: number): ThreadplaneError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ThreadplaneError(
        'REQUEST_TIMEOUT',
        `the headers did not arrive within ${headersMs} ms: send them again`,
      )
    case 'HPE_HEADER_OVERFLOW':
      return new ThreadplaneError(
        'MALFORMED_HEADER',
        `the request line and the headers are larger than ${maxHeaderSize} bytes: send fewer or shorter headers`,
      )
    default:
      return new ThreadplaneError('MALFORMED_HEADER', `this is not an HTTP request: ${message}`)
  }
}

/** Detaches the HTTP parser. The empty listener keeps the socket reading, and discards further bytes. */
function discardInput(socket: Socket): void {
  socket.removeAllListeners('data')
  socket.on('data', () => {})
}

/** Answers with a problem document and closes the connection. Bytes that still arrive are no request any more. */
export function answerOnSocket(
  socket: Socket,
  error: ThreadplaneError,
  instance = '',
  more: Record<string, string> = {},
): void {
  const body = JSON.stringify(toProblem(error, instance, false))
  const headers = {
    ...problemHeaders(error),
    ...more,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  }
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  discardInput(socket)
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  // A client that does not close its half of the connection would hold the socket for ever.
  const closing = setTimeout(() => socket.destroy(), CLOSE_AFTER_MS)
  socket.once('close', () => clearTimeout(closing))
}
