/**
 * Without tokens, only the machine itself is served, and no web page the machine's user happens to open: that could
 * otherwise stop a service (P7). A name other than loopback in `Host` is DNS rebinding; a foreign `Origin` is a page.
 */
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../contract/errors.ts'

const LOOPBACK = /^(localhost|([a-z0-9-]+\.)*localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i
const PROBES = new Set(['/livez', '/readyz', '/startupz'])

export interface LoopbackGuardOptions {
  /** The operator has said that anybody may reach it: `Host` may be any name. */
  anyHost: boolean
}

export const loopbackGuard = fp<LoopbackGuardOptions>(async (app, { anyHost }) => {
  app.addHook('onRequest', (request, _reply, done) => done(refusalOf(request, anyHost)))
})

function refusalOf({ headers, raw, routeOptions }: FastifyRequest, anyHost: boolean): ThreadplaneError | undefined {
  const { origin } = headers
  if (headers.host === undefined && raw.httpVersion === '1.1') {
    return new ThreadplaneError('MALFORMED_HEADER', 'a request of HTTP/1.1 has a Host')
  }
  // Node has the first of several.
  if (raw.rawHeaders.filter(isHost).length > 1)
    return new ThreadplaneError('MALFORMED_HEADER', 'a request has one Host')
  const host = authorityOf(raw.url) ?? headers.host ?? ''
  const foreignHost = !anyHost && !LOOPBACK.test(host)
  const foreignPage = headers['sec-fetch-site'] === 'cross-site' || (origin !== undefined && hostOf(origin) !== host)
  if (!(foreignHost || foreignPage) || PROBES.has(routeOptions.url ?? '')) return undefined
  return foreignHost
    ? new ThreadplaneError('FORBIDDEN', `Host is ${JSON.stringify(host)}: without tokens only loopback is served`)
    : new ThreadplaneError('FORBIDDEN', 'requests from pages of other origins are refused')
}

function isHost(header: string, index: number): boolean {
  return index % 2 === 0 && header.length === 4 && header.toLowerCase() === 'host'
}

/** Of a target such as a proxy is given, which counts then. Source: RFC 9112, section 3.2.2 */
function authorityOf(target = ''): string | undefined {
  return target.startsWith('/') ? undefined : hostOf(target)
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}
