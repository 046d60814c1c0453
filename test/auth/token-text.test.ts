/** The text of tokens: their form, their checksum, their hash. */
import t from 'tap'
import { hashOf, hintOf, isTokenText, newToken } from '../../src/auth/token-text.ts'

t.test('a token has a prefix, 30 random characters and a checksum', async (t) => {
  const tokens = Array.from({ length: 1_000 }, newToken)
  t.ok(tokens.every((token) => /^tp_[0-9A-Za-z]{36}$/.test(token)))
  t.equal(new Set(tokens).size, tokens.length)
  const used = new Set(tokens.map((token) => token.slice(3, 33)).join(''))
  t.equal(used.size, 62, 'every character is used')
})

t.test('a typing error is told from a token', async (t) => {
  const token = newToken()
  t.ok(isTokenText(token))
  const other = token[10] === 'a' ? 'b' : 'a'
  t.notOk(isTokenText(token.slice(0, 10) + other + token.slice(11)))
  for (const text of ['', 'tp_', token.slice(0, -1), `${token}a`, token.slice(3), `x${token}`])
    t.notOk(isTokenText(text))
})

t.test('the hash is that of the whole text; the hint is its beginning', async (t) => {
  t.equal(hashOf('tp_abc').toString('hex'), 'a8dc47fe7bd9f0da3db70a1f15f3cf62ca2bd14e39f2beea335e9fa13954640a')
  const token = newToken()
  t.ok(token.startsWith(hintOf(token)))
  t.equal(hintOf(token).length, 7)
})
