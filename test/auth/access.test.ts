/** Scopes: what they allow, for which services, and which texts are none. */
import t from 'tap'
import { Access, SCOPES } from '../../src/auth/access.ts'

t.test('a scope is for all services, for one, or for those whose names begin so', async (t) => {
  const access = new Access(['read', 'enqueue:markdown', 'operate:thumb*'])
  t.ok(access.has(['read']))
  t.ok(access.has(['read'], 'any'))
  t.ok(access.has(['enqueue'], 'markdown'))
  t.notOk(access.has(['enqueue'], 'markdown2'))
  t.notOk(access.has(['enqueue']), 'not for all')
  for (const name of ['thumb', 'thumbs', 'thumb.x']) t.ok(access.has(['operate'], name), name)
  for (const name of ['thum', 'athumb', 'Thumb', 'thumb*'.slice(1)]) t.notOk(access.has(['operate'], name), name)
  t.ok(access.has(['logs', 'read'], 'any'), 'one of several is enough')
  t.notOk(access.has([], 'any'))
})

t.test('a service is seen with any scope for it', async (t) => {
  const access = new Access(['enqueue:a', 'logs:b*'])
  t.ok(access.sees('a'))
  t.ok(access.sees('bc'))
  t.notOk(access.sees('c'))
  t.notOk(access.sees('ab'))
  t.ok(access.hasSome(['enqueue']))
  t.notOk(access.hasSome(['read']))
})

t.test('the names of a scope are those that narrow it', async (t) => {
  const access = new Access(['enqueue:a', 'logs:b*', 'read:c', 'read:d*', 'metrics'])
  t.strictSame(access.namesOf(['read', 'enqueue']), ['a', 'c', 'd*'])
  t.strictSame(access.namesOf(['operate']), [])
  t.equal(access.namesOf(['metrics']), undefined)
})

t.test('admin is everything', async (t) => {
  const access = new Access(['admin'])
  for (const scope of SCOPES) t.ok(access.has([scope]) && access.has([scope], 'any') && access.hasSome([scope]), scope)
  t.equal(access.namesOf(['read']), undefined)
})

t.test('other texts are no scopes', async (t) => {
  for (const text of [
    '',
    'write',
    'read:',
    'read:a b',
    'read:*a',
    'read:a*b',
    'Read',
    'read:a:b',
    'read ',
    '__proto__',
  ]) {
    t.throws(() => new Access([text]), { message: /is no scope: the scopes are read, logs, / }, text)
  }
  for (const text of ['admin:a', 'metrics:a*']) {
    t.throws(() => new Access([text]), { message: /is not for single services/ }, text)
  }
})
