/**
 * Refuses requests from foreign web pages (P7), while no tokens are asked for: any page that a user opens could otherwise
 * stop a service. A `Host` that is not a known name of the server is a sign of DNS rebinding; a foreign `Origin` is the
 * sign of a page.
 */
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../contract/errors.ts'

const LOOPBACK = /^(localhost|([a-z0-9-]+\.)*localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i
const PROBES = ['/livez', '/readyz', '/startupz']

export interface LoopbackGuardOptions {
  /** Names to accept in `Host` besides loopback names, in lower case, with or without a port; `*`: any name. */
  allowedHosts: string[]
  /** Origins whose pages may call. */
  origins: readonly string[]
  /** Are tokens asked for? A foreign page has none. */
  asksForTokens: () => boolean
}

export const loopbackGuard = fp<LoopbackGuardOptions>(async (app, { allowedHosts, origins, asksForTokens }) => {
  const allowed = new Set(allowedHosts)
  const known = new Set(origins)
  const probes = new Set<string | undefined>(PROBES.map((path) => `${app.prefix}${path}`))
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff')
    const isExempt = asksForTokens() || probes.has(request.routeOptions.url)
    done(misuseOfHost(request) ?? (isExempt ? undefined : refusalOf(request, allowed, known)))
  })
})

function misuseOfHost({ headers, raw }: FastifyRequest): ThreadplaneError | undefined {
  if (headers.host === undefined && raw.httpVersion === '1.1') {
    return new ThreadplaneError('MALFORMED_HEADER', 'the request has no Host header: HTTP/1.1 requires one')
  }
  // `headers.host` is the first Host header, and a proxy on the way may have used another one.
  if (raw.rawHeaders.filter(isHost).length > 1)
    return new ThreadplaneError('MALFORMED_HEADER', 'the request has more than one Host header: send one')
  return undefined
}

function refusalOf(
  { headers, raw }: FastifyRequest,
  allowed: Set<string>,
  origins: Set<string>,
): ThreadplaneError | undefined {
  const { origin } = headers
  const host = authorityOf(raw.url) ?? headers.host ?? ''
  const isForeignHost = !LOOPBACK.test(host) && !isAllowed(host, raw.socket.localAddress, allowed)
  const isKnownPage = origin !== undefined && origins.has(origin)
  const isForeignPage =
    !isKnownPage && (headers['sec-fetch-site'] === 'cross-site' || (origin !== undefined && hostOf(origin) !== host))
  if (!(isForeignHost || isForeignPage)) return undefined
  if (isForeignHost) {
    const detail =
      `Host is ${JSON.stringify(host)}: the server answers only to loopback names, to the address that it listens on, ` +
      'and to the names in THREADPLANE_ALLOWED_HOSTS'
    return new ThreadplaneError('FORBIDDEN', detail)
  }
  const sign = origin === undefined ? 'Sec-Fetch-Site is cross-site' : `Origin is ${JSON.stringify(origin)}`
  return new ThreadplaneError('FORBIDDEN', `${sign}: the server refuses requests from web pages of other origins`)
}

function isAllowed(host: string, localAddress = '', allowed: Set<string>): boolean {
  if (allowed.has('*')) return true
  const known = host.toLowerCase()
  const name = known.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  // An address cannot be rebound to another one, as a name can. Node shows an IPv4 address so on a socket for IPv6.
  if (name !== '' && name === localAddress.replace(/^::ffff:/, '')) return true
  return allowed.has(known) || allowed.has(name) || allowed.has(`[${name}]`)
}

function isHost(header: string, index: number): boolean {
  return index % 2 === 0 && header.length === 4 && header.toLowerCase() === 'host'
}

/** The host in a target that is a whole URL, as proxies get it: it overrides `Host`. Source: RFC 9112, section 3.2.2 */
function authorityOf(target = ''): string | undefined {
  return target.startsWith('/') ? undefined : hostOf(target)
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined
}
