/**
 * The guard of the node listener, in the place of `token-guard.ts`: only other nodes of the cluster pass, by the token of
 * this process. The first node has checked what the token of the client allows, and says whose it is. So the headers that
 * say that count on this listener only.
 */
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { timingSafeEqual } from 'node:crypto'
import { Access } from '../auth/access.ts'
import { hashOf } from '../auth/token-text.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { CALLER_HEADER, NODE_TOKEN_HEADER, SCOPES_HEADER } from '../contract/node-headers.ts'

export const nodeGuard = fp<{ token: string }>(async (app, { token }) => {
  // Hashes have one length, which the comparison in constant time needs.
  const expected = hashOf(token)
  app.decorateRequest('credential', undefined)
  app.decorateRequest('caller', {
    getter() {
      return headerOf(this, CALLER_HEADER)
    },
  })
  app.decorateRequest('access', {
    getter() {
      const scopes = headerOf(this, SCOPES_HEADER)
      return scopes === undefined ? undefined : new Access(scopes.split(' '))
    },
  })
  app.addHook('onRequest', (request, _reply, done) => {
    const shown = headerOf(request, NODE_TOKEN_HEADER)
    if (shown !== undefined && timingSafeEqual(hashOf(shown), expected)) return done()
    const detail = 'this listener is for the other nodes of the cluster: clients use the address of THREADPLANE_HOST'
    done(new ThreadplaneError('UNAUTHORIZED', detail))
  })
})

function headerOf({ headers }: FastifyRequest, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}
