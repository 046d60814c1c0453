/**
 * Which headers go from node to node. Those of the connection end with it (RFC 9110, section 7.6.1), and the secrets of the
 * client stay on the first node, which has checked them.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { CALLER_HEADER, NODE_TOKEN_HEADER, SCOPES_HEADER } from '../contract/node-headers.ts'

const OF_THE_CONNECTION = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** Headers of a request that stay on the first node, or are set anew. */
const KEPT_OF_REQUEST: ReadonlySet<string> = new Set([
  ...OF_THE_CONNECTION,
  'host',
  'expect',
  'authorization',
  'cookie',
  NODE_TOKEN_HEADER,
  CALLER_HEADER,
  SCOPES_HEADER,
])

/** Headers of an answer that end with the connection. The first node sets `Date` itself. */
const KEPT_OF_ANSWER: ReadonlySet<string> = new Set([...OF_THE_CONNECTION, 'date'])

export type Headers = Record<string, string | string[]>

/** Who calls, as the first node has found out. */
export interface Caller {
  id: string
  scopes: readonly string[]
}

/**
 * The headers of the request to a peer.
 * @param timeoutMs what is left of the deadline; `undefined`: the peer knows the deadline of the method
 */
export function requestHeaders(
  headers: IncomingHttpHeaders,
  token: string,
  caller: Caller | undefined,
  timeoutMs: number | undefined,
): Headers {
  const passed = without(headers, KEPT_OF_REQUEST)
  passed[NODE_TOKEN_HEADER] = token
  if (caller !== undefined) {
    passed[CALLER_HEADER] = caller.id
    passed[SCOPES_HEADER] = caller.scopes.join(' ')
  }
  if (timeoutMs !== undefined) passed['request-timeout'] = `${Math.max(Math.round(timeoutMs), 1)}ms`
  return passed
}

/** The headers of a peer's answer, for the client. */
export function answerHeaders(headers: IncomingHttpHeaders): Headers {
  return without(headers, KEPT_OF_ANSWER)
}

function without(headers: IncomingHttpHeaders, kept: ReadonlySet<string>): Headers {
  const passed: Headers = {}
  const named = namedByConnection(headers.connection)
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined && !kept.has(name) && !named?.has(name)) passed[name] = value
  }
  return passed
}

/** `Connection` may name further headers that end with the connection. */
function namedByConnection(connection = ''): ReadonlySet<string> | undefined {
  if (connection === '' || /^(keep-alive|close)$/i.test(connection)) return undefined
  return new Set(
    connection
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  )
}
