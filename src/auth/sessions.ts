/**
 * Sessions of web pages: a page sends its token once and gets a cookie, so that no script of the page keeps a token. A
 * session ends after a time, with its token, and with the server.
 */
import { randomBytes } from 'node:crypto'
import type { Token, Tokens } from './tokens.ts'

const SESSION_LASTS_MS = 12 * 60 * 60 * 1_000
/** Beyond it, the oldest session ends. */
const MAX_SESSIONS = 10_000

interface Session {
  id: string
  token: Token
  /** Milliseconds since the epoch. */
  expiresAt: number
}

export class Sessions {
  readonly #tokens: Tokens
  readonly #sessions = new Map<string, Session>()

  constructor(tokens: Tokens) {
    this.#tokens = tokens
  }

  begin(token: Token): Session {
    const expiresAt = Math.min(Date.now() + SESSION_LASTS_MS, token.expiresAt ?? Number.POSITIVE_INFINITY)
    const session = { id: randomBytes(32).toString('base64url'), token, expiresAt }
    this.#sessions.set(session.id, session)
    const [oldest] = this.#sessions.keys()
    if (this.#sessions.size > MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest)
    return session
  }

  /** A session with its token as the file has it now; `undefined` if the session has ended. */
  find(id: string): Session | undefined {
    const session = this.#sessions.get(id)
    if (session === undefined) return undefined
    const token = this.#tokens.current(session.token)
    if (token !== undefined && session.expiresAt > Date.now()) return { ...session, token }
    this.#sessions.delete(id)
    return undefined
  }

  end(id: string): void {
    this.#sessions.delete(id)
  }
}
