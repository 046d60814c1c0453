/** The file of tokens: what is refused, what a change does, and what stays when an edit breaks it. */
import { chmodSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { hashOf, newToken } from '../../src/auth/token-text.ts'
import { becomes } from '../http-helper.ts'
import { TokensRig } from './tokens-rig.ts'

t.test('without a file no tokens are asked for; from the first token on they are', async (t) => {
  const rig = new TokensRig(t)
  const tokens = await rig.open()
  t.teardown(() => tokens.close())
  t.notOk(tokens.asked)
  const text = await rig.add('a', ['read'])
  await rig.seen(1)
  t.ok(tokens.asked)
  t.equal(tokens.find(text)?.id, 'a')
  await rig.revoke('a')
  await rig.logs.line('the tokens file has changed: it has 0 tokens')
  t.equal(tokens.find(text), undefined)
  t.ok(tokens.asked, 'to revoke the last token opens nothing')
})

t.test('a token of the environment is for everything', async (t) => {
  const rig = new TokensRig(t)
  const text = newToken()
  const tokens = await rig.open(text)
  t.teardown(() => tokens.close())
  t.ok(tokens.asked)
  t.ok(tokens.find(text)?.access.has(['admin']))
  t.equal(tokens.find(newToken()), undefined)
})

t.test('the file is only for its owner', async (t) => {
  const rig = new TokensRig(t)
  await rig.add('a', ['read'])
  t.equal(statSync(rig.file).mode & 0o777, 0o600)
  for (const mode of [0o644, 0o640, 0o604, 0o602, 0o660]) {
    chmodSync(rig.file, mode)
    await t.rejects(rig.open(), { message: /others can read or write it \(its mode is 06..\): run chmod 600 / })
  }
})

t.test('a file that is not right is refused, with the place', async (t) => {
  const rig = new TokensRig(t)
  const hash = `sha256:${hashOf('a').toString('hex')}`
  const good = { id: 'a', hash, scopes: ['read'] }
  for (const [content, message] of [
    ['{', /JSON/],
    [{ version: 2, tokens: [] }, /version: /],
    [{ version: 1, tokens: [{ ...good, scopes: ['write'] }] }, /tokens\.0\.scopes: "write" is no scope/],
    [{ version: 1, tokens: [{ ...good, scopes: [] }] }, /tokens\.0\.scopes: a token needs a scope/],
    [{ version: 1, tokens: [{ ...good, hash: 'secret' }] }, /tokens\.0\.hash: a hash is sha256:/],
    [{ version: 1, tokens: [{ ...good, expires: 'soon' }] }, /expires/],
    [{ version: 1, tokens: [{ ...good, expiresAt: 'soon' }] }, /tokens\.0\.expiresAt: /],
    [{ version: 1, tokens: [good, good] }, /two tokens have the same id/],
    [{ version: 1, tokens: [{ ...good, id: 'environment' }] }, /environment is the id of THREADPLANE_ADMIN_TOKEN/],
    [{ version: 1, tokens: [{ ...good, note: 'x'.repeat(501) }] }, /tokens\.0\.note/],
  ] as const) {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    writeFileSync(rig.file, text, { mode: 0o600 })
    await t.rejects(rig.open(), { message }, text.slice(0, 100))
  }
})

t.test('an edit that breaks the file changes nothing, and is logged; a right one takes effect', async (t) => {
  const rig = new TokensRig(t)
  const text = await rig.add('a', ['read'])
  const tokens = await rig.open()
  t.teardown(() => tokens.close())
  writeFileSync(rig.file, '{ "version": 1, ')
  const broken = () =>
    rig.logs.records.find(({ level, msg }) => level === 50 && /cannot be used: .* stay valid$/.test(msg))
  await becomes('the broken edit is logged', () => broken() !== undefined)
  t.equal(tokens.find(text)?.id, 'a')
  const other = await rig.add('b', ['logs'])
  await rig.seen(1)
  t.equal(tokens.find(other)?.id, 'b')
  t.equal(rig.logs.records.filter(({ level }) => level === 50).length, 1, 'logged once')
})

t.test('a change of the file keeps the used part of a quota, unless the rate is another one', async (t) => {
  const rig = new TokensRig(t)
  const rate = { requests: 2, perSeconds: 60 }
  const text = await rig.add('a', ['read'], { rate })
  const tokens = await rig.open()
  t.teardown(() => tokens.close())
  const limit = tokens.find(text)?.limit
  await rig.add('b', ['read'])
  await rig.seen(1)
  t.equal(tokens.find(text)?.limit, limit)
  const changed = await rig.add('a', ['read'], { rate: { ...rate, burst: 1 } })
  await rig.seen(2)
  t.not(tokens.find(changed)?.limit, limit)
})
