/** `threadplane token`: what it prints, what it writes, and what it refuses. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { hashOf, isTokenText } from '../../src/auth/token-text.ts'

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'token-command-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'data', 'tokens.json')

async function token(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const { PATH } = process.env
  const env = { PATH, THREADPLANE_DATA: join(folder, 'data'), THREADPLANE_PORT: 'wrong' }
  const child = spawn(process.execPath, [MAIN, 'token', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, out, err }
}

const tokensOf = () => JSON.parse(readFileSync(file, 'utf8')).tokens

t.test('create prints the token alone on stdout, and stores its hash', async (t) => {
  const before = Date.now()
  const scopes = ['--scope', 'read', '--scope', 'enqueue:markdown']
  const { code, out, err } = await token(
    'create',
    'ci',
    ...scopes,
    '--expires',
    '90d',
    '--rate',
    '600/60s',
    '--note',
    'a b',
  )
  t.equal(code, 0)
  t.ok(isTokenText(out.trimEnd()))
  t.match(err, /the token ci \(read, enqueue:markdown\) is in .*tokens\.json; its text is shown only now/)
  t.notMatch(err, out.trimEnd())
  t.notMatch(readFileSync(file, 'utf8'), out.trimEnd())
  const [record] = tokensOf()
  t.match(record, {
    id: 'ci',
    hash: `sha256:${hashOf(out.trimEnd()).toString('hex')}`,
    hint: out.slice(0, 7),
    scopes: ['read', 'enqueue:markdown'],
    rate: { requests: 600, perSeconds: 60 },
    note: 'a b',
  })
  t.ok(Date.parse(record.expiresAt) - before >= 90 * 86_400_000)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(statSync(join(folder, 'data')).mode & 0o777, 0o700)
})

t.test('list shows the tokens without their texts; revoke removes one', async (t) => {
  await token('create', 'short', '--scope', 'admin')
  const { code, out } = await token('list')
  t.equal(code, 0)
  t.match(
    out,
    /^ID +BEGINS +SCOPES .*\nci +tp_\w{4} +read,enqueue:markdown +\d{4}-.*600\/60s +a b\nshort .* admin .* never\n$/,
  )
  t.equal((await token('revoke', 'ci')).code, 0)
  t.strictSame(
    tokensOf().map(({ id }: { id: string }) => id),
    ['short'],
  )
})

t.test('commands that run at the same time lose no token', async (t) => {
  const ids = ['a', 'b', 'c', 'd']
  await Promise.all(ids.map((id) => token('create', id, '--scope', 'read')))
  t.strictSame(
    tokensOf()
      .map(({ id }: { id: string }) => id)
      .sort(),
    [...ids, 'short'],
  )
})

t.test('what is wrong is refused with a message, and changes nothing', async (t) => {
  const before = readFileSync(file, 'utf8')
  const create = (...args: string[]) => ['create', 'new', '--scope', 'read', ...args]
  for (const [args, code, message] of [
    [['create', 'a', '--scope', 'read'], 1, /there is a token a: revoke it first/],
    [['create', 'new'], 1, /a token needs a scope/],
    [['create', 'new', '--scope', 'write'], 1, /"write" is no scope: the scopes are read, /],
    [['create', 'a b', '--scope', 'read'], 1, /an id has 1 to 63 letters/],
    [['create', 'environment', '--scope', 'read'], 1, /environment is the id of THREADPLANE_ADMIN_TOKEN/],
    [create('--expires', 'soon'), 1, /--expires is "soon": it must be/],
    [create('--expires', '9999d'), 1, /--expires is "9999d"/],
    [create('--rate', '600'), 1, /--rate is "600": it must be/],
    [create('--rate', '0/60s'), 1, /--rate is "0\/60s"/],
    [['revoke', 'none'], 1, /there is no token "none"/],
    [[], 2, /threadplane token create/],
    [['create'], 2, /threadplane token create/],
    [['list', 'a'], 2, /threadplane token create/],
    [['revoke', 'a', '--scope', 'read'], 2, /threadplane token create/],
    [['create', 'new', '--nonsense'], 1, /--nonsense/],
  ] as const) {
    const answer = await token(...args)
    t.equal(answer.code, code, args.join(' '))
    t.match(answer.err, message)
    t.notMatch(answer.err, /\n {4}at /, 'no stack')
    t.equal(answer.out, '')
  }
  t.equal(readFileSync(file, 'utf8'), before)
})
