/**
 * `threadplane token create | list | revoke`: works on the file of tokens, with or without a server, which sees the change
 * by itself. A new token is the only line on standard output, so that a script can take it; everything else goes to
 * standard error.
 */
import { parseArgs } from 'node:util'
import ms from 'ms'
import type { Rate } from './rate-limit.ts'
import { hashOf, hintOf, newToken } from './token-text.ts'
import { changeTokens, readTokens, type TokenRecord } from './tokens-file.ts'

const USAGE = `threadplane token create <id> --scope <scope> …   make a token, and print it once
      --scope read                 for all services; may be repeated
      --scope enqueue:markdown     for one service; operate:thumb*: for those whose names begin so
      --expires 90d                refuse it after this time
      --rate 600/60s               accept so many requests in so long a time
      --note "the build"
threadplane token list                            show the tokens, without their texts
threadplane token revoke <id>                     refuse a token from now on

The scopes are read, logs, enqueue, operate, register, profile, heap, metrics, and admin for everything.
The tokens are in the file THREADPLANE_TOKENS, by default tokens.json in the folder THREADPLANE_DATA.`

/** Tokens for longer than this are made without an end. */
const MAX_LIFETIME_DAYS = 3_650
const DAY_MS = 24 * 60 * 60 * 1_000

/** @returns the exit code @throws Error with a message for the person who runs it */
export async function tokenCommand(args: string[], file: string): Promise<number> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      scope: { type: 'string', multiple: true },
      expires: { type: 'string' },
      rate: { type: 'string' },
      note: { type: 'string' },
    },
  })
  const [command, id, ...more] = positionals
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const isCreate = command === 'create'
  const takesId = isCreate || command === 'revoke'
  if (!(takesId || command === 'list') || (id !== undefined) !== takesId || more.length > 0) return misused()
  if (!isCreate && Object.keys(values).length > 0) return misused()
  if (command === 'list') await list(file)
  else if (command === 'revoke') await revoke(file, id as string)
  else {
    const { scope: scopes = [], expires, rate, note } = values
    if (scopes.length === 0) throw new Error('a token needs a scope: add --scope read, or --scope admin for everything')
    await create(file, {
      id: id as string,
      scopes,
      createdAt: new Date().toISOString(),
      ...(expires !== undefined && { expiresAt: expiry(expires) }),
      ...(rate !== undefined && { rate: parseRate(rate) }),
      ...(note !== undefined && { note }),
    })
  }
  return 0
}

function misused(): number {
  console.error(USAGE)
  return 2
}

async function create(file: string, token: Omit<TokenRecord, 'hash'>): Promise<void> {
  const text = newToken()
  const { id, ...more } = token
  const record = { id, hash: `sha256:${hashOf(text).toString('hex')}`, hint: hintOf(text), ...more }
  await changeTokens(file, (tokens) => {
    if (tokens.some((known) => known.id === id)) {
      throw new Error(`there is a token ${id}: revoke it first, or use another id`)
    }
    return [...tokens, record]
  })
  console.error(`the token ${id} (${token.scopes.join(', ')}) is in ${file}; its text is shown only now:`)
  console.log(text)
}

async function revoke(file: string, id: string): Promise<void> {
  await changeTokens(file, (tokens) => {
    const others = tokens.filter((token) => token.id !== id)
    if (others.length === tokens.length) throw new Error(`there is no token ${JSON.stringify(id)} in ${file}`)
    return others
  })
  console.error(`the token ${id} is revoked`)
}

async function list(file: string): Promise<void> {
  const { tokens } = await readTokens(file)
  if (tokens.length === 0) console.error(`there are no tokens in ${file}`)
  const rows = tokens.map(({ id, hint = '', scopes, createdAt = '', expiresAt, rate, note = '' }) => [
    id,
    hint,
    scopes.join(','),
    createdAt.slice(0, 10),
    expiresAt == null ? 'never' : `${expiresAt.slice(0, 10)}${Date.parse(expiresAt) <= Date.now() ? ' (expired)' : ''}`,
    rate == null ? '' : `${rate.requests}/${rate.perSeconds}s`,
    note,
  ])
  if (rows.length > 0) rows.unshift(['ID', 'BEGINS', 'SCOPES', 'CREATED', 'EXPIRES', 'RATE', 'NOTE'])
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

function expiry(text: string): string {
  const lifetimeMs = /^\d+(m|h|d)$/.test(text) ? ms(text as ms.StringValue) : 0
  if (lifetimeMs <= 0 || lifetimeMs > MAX_LIFETIME_DAYS * DAY_MS) {
    throw new Error(
      `--expires is ${JSON.stringify(text)}: it must be a time from 1m to ${MAX_LIFETIME_DAYS}d, such as 90d`,
    )
  }
  return new Date(Date.now() + lifetimeMs).toISOString()
}

function parseRate(text: string): Rate {
  const [, requests, period = ''] = /^(\d{1,7})\/(\d+(?:s|m|h))$/.exec(text) ?? []
  const perSeconds = requests === undefined ? 0 : ms(period as ms.StringValue) / 1_000
  if (Number(requests) < 1 || perSeconds < 1 || perSeconds > 86_400) {
    throw new Error(`--rate is ${JSON.stringify(text)}: it must be requests in a time up to 24h, such as 600/60s`)
  }
  return { requests: Number(requests), perSeconds }
}
