/**
 * Lets web pages of the origins in THREADPLANE_ORIGINS send requests and read the answers (CORS). They send a token in
 * `Authorization`: the cookie of a session is for pages of this server only.
 */
import fp from 'fastify-plugin'

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const HEADERS = 'Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, Request-Timeout, traceparent'
/** Headers of answers that scripts may read, beside those that they always may. */
const EXPOSED =
  'Allow, Event-Cursor, Idempotency-Expires, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate'
/** How long a browser may remember the answer to its question. */
const REMEMBER_SECONDS = 600

export const crossOrigin = fp<{ origins: readonly string[] }>(async (app, { origins }) => {
  if (origins.length === 0) return
  const known = new Set(origins)
  app.addHook('onRequest', ({ method, headers }, reply, done) => {
    const { origin } = headers
    // Caches must not give the answer for one origin to another one.
    reply.header('vary', 'Origin')
    if (origin === undefined || !known.has(origin)) return done()
    reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', EXPOSED)
    if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return done()
    reply
      .header('access-control-allow-methods', METHODS)
      .header('access-control-allow-headers', HEADERS)
      .header('access-control-max-age', REMEMBER_SECONDS)
      .code(204)
      .send()
  })
})
