/** A file of tokens in a folder of its own, and the texts of its tokens. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { hashOf, newToken } from '../../src/auth/token-text.ts'
import { Tokens } from '../../src/auth/tokens.ts'
import { type TokenRecord, writeTokens } from '../../src/auth/tokens-file.ts'
import { Logs } from '../http-helper.ts'

export class TokensRig {
  readonly folder = mkdtempSync(join(tmpdir(), 'tokens-'))
  readonly file = join(this.folder, 'tokens.json')
  readonly logs = new Logs()
  /** Id → the text of the token. */
  readonly texts = new Map<string, string>()
  readonly #records = new Map<string, TokenRecord>()

  constructor(t: Test) {
    t.teardown(() => rmSync(this.folder, { recursive: true }))
  }

  /** Puts a token into the file, and returns its text. */
  async add(id: string, scopes: string[], more: Partial<TokenRecord> = {}): Promise<string> {
    const text = newToken()
    this.texts.set(id, text)
    this.#records.set(id, { id, hash: `sha256:${hashOf(text).toString('hex')}`, scopes, ...more })
    await this.#write()
    return text
  }

  async revoke(id: string): Promise<void> {
    this.#records.delete(id)
    await this.#write()
  }

  /** Resolves when a server has read this many changes of the file. */
  async seen(times: number): Promise<void> {
    await this.logs.line(`the tokens file has changed: it has ${this.#records.size} tokens`, {}, times)
  }

  open(adminToken?: string): Promise<Tokens> {
    return Tokens.open({ file: this.file, adminToken, log: this.logs.logger })
  }

  bearer(id: string): { authorization: string } {
    return { authorization: `Bearer ${this.texts.get(id)}` }
  }

  #write(): Promise<void> {
    return writeTokens(this.file, [...this.#records.values()])
  }
}
