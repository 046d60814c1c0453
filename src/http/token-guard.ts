/**
 * Who may do what: each route declares the scope that it needs, and each request the token that it has. While no tokens
 * are asked for, this lets everything pass; `loopback-guard.ts` protects the server then (P7).
 *
 * To a token without any scope for a service, the service does not exist: 404. With another scope for it: 403.
 */
import type { FastifyContextConfig, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Access, Scope } from '../auth/access.ts'
import type { Token } from '../auth/tokens.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { type Credential, type Credentials, REALM } from './credentials.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The token of this request; `undefined` while no tokens are asked for, and on routes that need none. */
    credential: Credential | undefined
    /** The id of the token. */
    readonly caller: string | undefined
    /** What the token allows; `undefined`: everything. */
    readonly access: Access | undefined
  }
  interface FastifyInstance {
    /** All routes, with what they ask for. */
    guardedRoutes: readonly GuardedRoute[]
  }
  interface FastifyContextConfig {
    /** What a token needs for this route: one of these scopes; `none`: no token at all. */
    scope?: 'none' | Scope | readonly Scope[]
    /**
     * Only of a route without `:service` in its path: it asks {@link FastifyRequest.access} itself which services it may
     * show or change. All other such routes need a scope for all services.
     */
    narrows?: true
  }
}

interface GuardedRoute {
  method: string | readonly string[]
  url: string
  config?: FastifyContextConfig
}

export type Scopes = readonly Scope[]

export const tokenGuard = fp<{ credentials: Credentials | undefined }>(async (app, { credentials }) => {
  app.decorateRequest('credential', undefined)
  app.decorateRequest('caller', {
    getter() {
      return this.credential?.token.id
    },
  })
  app.decorateRequest('access', {
    getter() {
      return this.credential?.token.access
    },
  })

  const routes: GuardedRoute[] = []
  app.decorate('guardedRoutes', routes)
  app.addHook('onRoute', (route) => {
    routes.push(route)
    const { scope } = route.config ?? {}
    if (route.schema !== undefined && scope !== undefined) route.schema.security = securityOf(scope)
  })
  // Not in `onRoute`: plugins set the scope of their routes in a hook of their own.
  app.addHook('onReady', async () => {
    const undeclared = routes.filter(({ config }) => config?.scope === undefined)
    const names = undeclared.map(({ method, url }) => `${String(method)} ${url}`)
    if (names.length > 0) throw new Error(`routes without a scope in their config: ${names.join(', ')}`)
  })

  if (credentials === undefined) return
  app.addHook('onRequest', (request, reply, done) => {
    if (!credentials.asked || request.is404) return done()
    const { scope, narrows } = request.routeOptions.config
    if (scope === 'none') return done()
    const credential = credentials.of(request, reply)
    if (credential instanceof ThreadplaneError) {
      void credentials.mayTell(credential).then(() => done(credential))
      return
    }
    const { token } = credential
    request.credential = credential
    const limited = limit(reply, token)
    if (limited !== undefined) return done(limited)
    const { service } = (request.params ?? {}) as { service?: string }
    done(refusalOf(reply, token.access, scopesOf(scope), service, narrows === true))
  })
})

/** For the OpenAPI document: one of the scopes, or nothing while no tokens are asked for. */
function securityOf(scope: 'none' | Scope | Scopes): Record<string, string[]>[] {
  return scope === 'none' ? [] : [...scopesOf(scope).map((one) => ({ token: [one] })), {}]
}

function scopesOf(scope: Scope | readonly Scope[] | undefined): readonly Scope[] {
  // Without a scope the server has not started: the empty list allows nothing.
  return scope === undefined ? [] : typeof scope === 'string' ? [scope] : scope
}

/** Counts the request against the rate limit of its token. */
function limit(reply: FastifyReply, { id, limit: limiter }: Token): ThreadplaneError | undefined {
  if (limiter === undefined) return undefined
  const now = performance.now()
  const waitMs = limiter.take(now)
  reply.header('ratelimit-policy', limiter.policy).header('ratelimit', limiter.state(now))
  if (waitMs === 0) return undefined
  const { requests, perSeconds } = limiter.rate
  const detail = `the token ${id} may send ${requests} requests in ${perSeconds} s`
  return new ThreadplaneError('QUOTA_EXCEEDED', detail, { retryAfterSeconds: Math.ceil(waitMs / 1_000) })
}

/** Why the access is not enough for a route. @param narrows the route itself asks for the services */
function refusalOf(
  reply: FastifyReply,
  access: Access,
  scopes: readonly Scope[],
  service: string | undefined,
  narrows: boolean,
): ThreadplaneError | undefined {
  if (narrows ? access.hasSome(scopes) : access.has(scopes, service)) return undefined
  if (service === undefined) return forbidden(reply, scopes, undefined, narrows ? '' : ' for all services')
  if (access.sees(service)) return forbidden(reply, scopes, service)
  return noService(service)
}

/** The error as the token may see it: that of a missing service names the services that exist. */
export function asSeen(error: ThreadplaneError, { access, params }: FastifyRequest): ThreadplaneError {
  if (error.code !== 'SERVICE_NOT_FOUND' || access === undefined || access.has(['read'])) return error
  return noService((params as { service?: string }).service ?? error.facts.service)
}

function noService(name: string | undefined): ThreadplaneError {
  return new ThreadplaneError(
    'SERVICE_NOT_FOUND',
    `there is no service ${name === undefined ? 'of that name' : JSON.stringify(name)}`,
  )
}

/** 403, with the scope that is needed. @param reach in words, after the scope */
export function forbidden(reply: FastifyReply, scopes: Scopes, service?: string, reach = ''): ThreadplaneError {
  const [scope = 'admin'] = scopes
  const isName = service !== undefined && /^[\w.-]+$/.test(service)
  const needed = isName ? `${scope}:${service}` : scope
  reply.header('www-authenticate', `${REALM}, error="insufficient_scope", scope="${needed}"`)
  return new ThreadplaneError('FORBIDDEN', `the token needs the scope ${needed}${reach}`)
}
