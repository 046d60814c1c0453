/**
 * Problem documents for requests that Fastify never gets, or cannot answer: what is not HTTP, what arrives too slowly,
 * one connection too many. They are written to the socket by hand, and the connection is closed.
 */
import { maxHeaderSize, STATUS_CODES } from 'node:http'
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
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) socket.destroy()
  else answerOnSocket(socket, toThreadplaneError(error, headersMs))
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

/** Answers with a problem document and closes the connection. Bytes that still arrive are no request any more. */
export function answerOnSocket(socket: Socket, error: ThreadplaneError, instance = ''): void {
  const body = JSON.stringify(toProblem(error, instance, false))
  const headers = {
    ...problemHeaders(error),
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  }
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  // Detach the HTTP parser. The empty listener keeps the socket reading, and discards further bytes.
  socket.removeAllListeners('data')
  socket.on('data', () => {})
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  // A client that does not close its half of the connection would hold the socket for ever.
  const closing = setTimeout(() => socket.destroy(), CLOSE_AFTER_MS)
  socket.once('close', () => clearTimeout(closing))
}
