/**
 * The tokens of a server: those of the file, which is read again when it changes, and the one from the environment. Once
 * tokens have been asked for, they are asked for until the server ends: to revoke the last token opens nothing.
 */
import { timingSafeEqual } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceLog } from '../contract/log.ts'
import { Access } from './access.ts'
import { RateLimit } from './rate-limit.ts'
import { hashOf } from './token-text.ts'
import { ENVIRONMENT_ID, readTokens, type TokenRecord, versionOf } from './tokens-file.ts'

/** How soon a change of the file is seen. A notification of the system would miss files that links and mounts replace. */
const LOOK_EVERY_MS = 500

export interface Token {
  id: string
  hash: Buffer
  access: Access
  /** Milliseconds since the epoch. */
  expiresAt: number | undefined
  limit: RateLimit | undefined
}

export interface TokensOptions {
  file: string
  /** A token for everything, from the environment. */
  adminToken?: string | undefined
  log: ServiceLog
}

export class Tokens {
  readonly #file: string
  readonly #log: ServiceLog
  readonly #admin: Token | undefined
  /** By the first digits of their hashes. Who tries tokens learns nothing from the time that this takes. */
  #byHash = new Map<string, Token>()
  #byId = new Map<string, Token>()
  #version = ''
  #asked = false
  readonly #closed = new AbortController()

  private constructor({ file, adminToken, log }: TokensOptions) {
    this.#file = file
    this.#log = log
    if (adminToken !== undefined) this.#admin = environmentToken(adminToken)
  }

  /** @throws Error about a file that cannot be used */
  static async open(options: TokensOptions): Promise<Tokens> {
    const tokens = new Tokens(options)
    const { tokens: records, version } = await readTokens(options.file)
    tokens.#use(records, version)
    void tokens.#watch()
    return tokens
  }

  /** Are tokens asked for? */
  get asked(): boolean {
    return this.#asked
  }

  /** The token with this text, also if it is expired. */
  find(text: string): Token | undefined {
    const hash = hashOf(text)
    const token = this.#byHash.get(indexOf(hash))
    return token !== undefined && timingSafeEqual(token.hash, hash) ? token : undefined
  }

  /** The token as the file has it now; `undefined` if it is revoked, expired or another one. */
  current({ id, hash }: Token): Token | undefined {
    const token = this.#byId.get(id)
    return token !== undefined && token.hash.equals(hash) && !isExpired(token) ? token : undefined
  }

  /** The tokens that have a rate limit, and how many requests were refused by it. */
  *limited(): Generator<{ id: string; refused: number }> {
    for (const { id, limit } of this.#byId.values()) if (limit !== undefined) yield { id, refused: limit.refused }
  }

  close(): void {
    this.#closed.abort()
  }

  #use(records: TokenRecord[], version: string): void {
    const tokens = records.map((record) => tokenOf(record, this.#byId.get(record.id)?.limit))
    if (this.#admin !== undefined) tokens.push(this.#admin)
    this.#byId = new Map(tokens.map((token) => [token.id, token]))
    this.#byHash = new Map(tokens.map((token) => [indexOf(token.hash), token]))
    this.#version = version
    this.#asked ||= tokens.length > 0
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closed
    while (!signal.aborted) {
      await sleep(LOOK_EVERY_MS, undefined, { signal, ref: false }).catch(() => {})
      if (!signal.aborted) await this.#look()
    }
  }

  async #look(): Promise<void> {
    let version: string | undefined
    try {
      version = await versionOf(this.#file)
      if (version === this.#version) return
      const read = await readTokens(this.#file)
      this.#use(read.tokens, read.version)
      this.#log.info({ tokens: read.tokens.length }, `the tokens file has changed: it has ${read.tokens.length} tokens`)
    } catch (error) {
      // A file that cannot be opened is logged once, as is each broken edit.
      version ??= `cannot be opened: ${(error as Error).message}`
      if (version === this.#version) return
      this.#version = version
      this.#log.error(`${(error as Error).message}; the tokens that were read before stay valid`)
    }
  }
}

export function isExpired({ expiresAt }: Token): boolean {
  return expiresAt !== undefined && expiresAt <= Date.now()
}

/** @param limit of the same token before the file changed: its state stays, if its rate does */
function tokenOf({ id, hash, scopes, expiresAt, rate }: TokenRecord, limit: RateLimit | undefined): Token {
  const isSame = JSON.stringify(limit?.rate) === JSON.stringify(rate ?? undefined)
  return {
    id,
    hash: Buffer.from(hash.slice('sha256:'.length), 'hex'),
    access: new Access(scopes),
    expiresAt: expiresAt == null ? undefined : Date.parse(expiresAt),
    limit: isSame ? limit : rate == null ? undefined : new RateLimit(rate),
  }
}

function environmentToken(text: string): Token {
  return {
    id: ENVIRONMENT_ID,
    hash: hashOf(text),
    access: new Access(['admin']),
    expiresAt: undefined,
    limit: undefined,
  }
}

function indexOf(hash: Buffer): string {
  return hash.toString('hex', 0, 8)
}
