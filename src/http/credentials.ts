/**
 * The token of a request: in `Authorization`, or behind the cookie of a session. A browser sends the cookie by itself, so
 * a request that changes something must say that it comes from a page of this server.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Sessions } from '../auth/sessions.ts'
import { isTokenText } from '../auth/token-text.ts'
import { isExpired, type Token, type Tokens } from '../auth/tokens.ts'
import { timings, WrongTokens } from '../auth/wrong-tokens.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { Counts } from '../telemetry/counts.ts'

export const REALM = 'Bearer realm="threadplane"'
const COOKIE = 'threadplane_session'

/**
 * Why a request has no credential. `too_many`: too many wrong tokens from its address. `foreign_page`: a session is sent
 * by a page of another origin.
 */
const FAILURES = ['missing', 'malformed', 'unknown', 'expired', 'too_many', 'session_ended', 'foreign_page'] as const
type Failure = (typeof FAILURES)[number]

export interface Credential {
  token: Token
  via: 'bearer' | 'session'
  /** Milliseconds since the epoch. */
  expiresAt: number | undefined
}

export class Credentials {
  readonly failures = new Counts(FAILURES)
  readonly #tokens: Tokens
  readonly #sessions: Sessions
  readonly #wrong = new WrongTokens()

  constructor(tokens: Tokens) {
    this.#tokens = tokens
    this.#sessions = new Sessions(tokens)
  }

  /** See {@link Tokens.limited}. */
  limited(): Iterable<{ id: string; refused: number }> {
    return this.#tokens.limited()
  }

  /** Are tokens asked for? */
  get asked(): boolean {
    return this.#tokens.asked
  }

  /** The credential of a request, or why it has none. `Authorization` goes before the cookie. */
  of(request: FastifyRequest, reply: FastifyReply): Credential | ThreadplaneError {
    const { authorization } = request.headers
    if (authorization === undefined) {
      const cookie = cookieOf(request)
      if (cookie !== undefined) return this.#ofSession(cookie, request, reply)
      return this.#unauthorized('missing', reply, 'this server asks for a token: send Authorization: Bearer tp_…')
    }
    const [, text] = /^bearer +([\x21-\x7e]+) *$/i.exec(authorization) ?? []
    if (text === undefined) {
      const detail = 'Authorization has no token: it must be Bearer, a blank, and the token'
      return this.#unauthorized('malformed', reply, detail)
    }
    const token = this.#check(text, request, reply)
    return token instanceof ThreadplaneError ? token : { token, via: 'bearer', expiresAt: token.expiresAt }
  }

  #ofSession(id: string, request: FastifyRequest, reply: FastifyReply): Credential | ThreadplaneError {
    const session = this.#sessions.find(id)
    if (session === undefined) {
      return this.#unauthorized('session_ended', reply, 'the session has ended: sign in again with a token')
    }
    const { method, headers } = request
    const isSafe = method === 'GET' || method === 'HEAD'
    if (!isSafe && headers['sec-fetch-site'] !== 'same-origin') return this.#foreignPage()
    return { token: session.token, via: 'session', expiresAt: session.expiresAt }
  }

  /** The token with this text, or why there is none. */
  #check(text: string, { ip }: FastifyRequest, reply: FastifyReply): Token | ThreadplaneError {
    const token = this.#tokens.find(text)
    if (token !== undefined && !isExpired(token)) return token
    const waitMs = this.#wrong.add(ip, performance.now())
    if (waitMs > 0) {
      this.failures.add('too_many')
      const detail = 'too many wrong tokens have come from this address: try again later'
      return new ThreadplaneError('QUOTA_EXCEEDED', detail, { retryAfterSeconds: Math.ceil(waitMs / 1_000) })
    }
    if (token !== undefined) {
      return this.#unauthorized('expired', reply, `the token ${token.id} has expired`, 'The token has expired')
    }
    const isWhole = isTokenText(text)
    const detail = isWhole ? 'no token of this server is the one that was sent' : 'what was sent is not a whole token'
    const why = isWhole ? 'unknown' : 'malformed'
    return this.#unauthorized(why, reply, `${detail}: it may be revoked, or mistyped`, 'The token is not valid')
  }

  /** Resolves when a refused request may be answered: late, if too many wrong tokens have come from its address. */
  async mayTell({ code }: ThreadplaneError): Promise<void> {
    if (code === 'QUOTA_EXCEEDED') await sleep(timings.answerLateMs, undefined, { ref: false })
  }

  /** @param description of the fault of a token, for `WWW-Authenticate` (RFC 6750); without a token there is none */
  #unauthorized(why: Failure, reply: FastifyReply, detail: string, description?: string): ThreadplaneError {
    this.failures.add(why)
    const fault = description === undefined ? '' : `, error="invalid_token", error_description="${description}"`
    reply.header('www-authenticate', `${REALM}${fault}`)
    return new ThreadplaneError('UNAUTHORIZED', detail)
  }

  #refuseForeignPage({ headers }: FastifyRequest): void {
    const site = headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin') throw this.#foreignPage()
  }

  #foreignPage(): ThreadplaneError {
    this.failures.add('foreign_page')
    const detail =
      'a session is only for pages of this server: Sec-Fetch-Site must be same-origin; programs send Authorization'
    return new ThreadplaneError('FORBIDDEN', detail)
  }

  /** False once its token is revoked or has expired, or its session has ended. */
  isCurrent({ token, expiresAt }: Credential): boolean {
    return this.#tokens.current(token) !== undefined && (expiresAt === undefined || expiresAt > Date.now())
  }

  /** Begins a session: the answer has its cookie. @throws UNAUTHORIZED, FORBIDDEN, QUOTA_EXCEEDED */
  async signIn(text: string, request: FastifyRequest, reply: FastifyReply): Promise<Credential> {
    this.#refuseForeignPage(request)
    const token = this.#check(text, request, reply)
    if (token instanceof ThreadplaneError) {
      await this.mayTell(token)
      throw token
    }
    const { id, expiresAt } = this.#sessions.begin(token)
    setCookie(request, reply, id, Math.floor((expiresAt - Date.now()) / 1_000))
    return { token, via: 'session', expiresAt }
  }

  /** Ends the session of the cookie, if there is one. @throws FORBIDDEN */
  signOut(request: FastifyRequest, reply: FastifyReply): void {
    this.#refuseForeignPage(request)
    this.#sessions.end(cookieOf(request) ?? '')
    setCookie(request, reply, '', 0)
  }
}

function cookieOf({ server, headers }: FastifyRequest): string | undefined {
  return headers.cookie === undefined ? undefined : server.parseCookie(headers.cookie)[COOKIE]
}

/** @param maxAge in seconds; 0: the browser forgets the cookie */
function setCookie({ server, headers }: FastifyRequest, reply: FastifyReply, value: string, maxAge: number): void {
  // Behind a proxy with TLS, the browser shall send the cookie over TLS only.
  const secure = headers.origin?.startsWith('https:') ?? false
  const attributes = { path: '/', httpOnly: true, sameSite: 'strict', secure, maxAge } as const
  reply.header('set-cookie', server.serializeCookie(COOKIE, value, attributes))
}
