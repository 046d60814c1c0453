/** Sessions of web pages, `GET /v1/me`, and pages of other origins. */
import t from 'tap'
import { TokensRig } from '../auth/tokens-rig.ts'
import { isProblem, serve } from '../http-helper.ts'

const rig = new TokensRig(t)
const soon = new Date(Date.now() + 3_600_000).toISOString()
await rig.add('page', ['read', 'enqueue:echo'])
await rig.add('hour', ['read'], { expiresAt: soon })
await rig.add('revoked', ['read'])
await rig.add('expired', ['read'], { expiresAt: '2020-01-01T00:00:00Z' })
const ORIGIN = 'https://pages.example'
const server = await serve(t, { services: { echo: 'echo' }, tokens: await rig.open(), origins: [ORIGIN] })

async function signIn(id: string, headers: Record<string, string> = {}) {
  const answer = await server.post('/v1/session', { token: rig.texts.get(id) }, { headers })
  const [cookie = ''] = answer.headers['set-cookie'] ?? []
  return { answer, cookie, headers: { cookie: cookie.split(';', 1)[0] as string } }
}
const sameOrigin = { 'sec-fetch-site': 'same-origin' }

t.test('me: the token, how it was sent, its scopes and its end', async (t) => {
  const { status, json } = await server.get('/v1/me', { headers: rig.bearer('page') })
  t.equal(status, 200)
  t.strictSame(json, { token: 'page', via: 'bearer', scopes: ['read', 'enqueue:echo'], expiresAt: null })
  t.equal((await server.get('/v1/me', { headers: rig.bearer('hour') })).json.expiresAt, soon)
})

t.test('me, of a server without tokens: everything is allowed', async (t) => {
  const open = await serve(t, { services: {} })
  t.strictSame((await open.get('/v1/me')).json, { token: null, via: 'open', scopes: ['admin'], expiresAt: null })
  isProblem(t, await open.post('/v1/session', { token: 'tp_x' }), 'CONFLICT')
  t.equal((await open.delete('/v1/session')).status, 204)
})

t.test('a session: its cookie is accepted in place of the token, and is HttpOnly', async (t) => {
  const { answer, cookie, headers } = await signIn('page')
  t.equal(answer.status, 200)
  t.match(answer.json, { token: 'page', via: 'session', scopes: ['read', 'enqueue:echo'] })
  t.match(cookie, /^threadplane_session=[\w-]{43}; Max-Age=(43200|43199); Path=\/; HttpOnly; SameSite=Strict$/)
  t.notMatch(cookie, rig.texts.get('page'))
  t.equal((await server.get('/v1/services', { headers })).status, 200)
  t.match((await server.get('/v1/me', { headers })).json, { token: 'page', via: 'session' })
  isProblem(
    t,
    await server.get('/v1/services', { headers: { ...headers, authorization: 'Bearer wrong' } }),
    'UNAUTHORIZED',
  )
  isProblem(t, await server.get('/v1/services', { headers: { cookie: 'threadplane_session=wrong' } }), 'UNAUTHORIZED')
})

t.test('behind TLS the cookie is Secure; a token that ends earlier ends the session', async (t) => {
  const { cookie } = await signIn('hour', { origin: 'https://localhost' })
  t.match(cookie, /; Max-Age=3\d{3}; .*; Secure/)
})

t.test('with a session, what changes something must come from a page of this server', async (t) => {
  const { headers } = await signIn('page')
  const call = (more: Record<string, string>) => server.call('echo', 'any', 1, { headers: { ...headers, ...more } })
  t.equal((await call(sameOrigin)).status, 200)
  for (const site of [undefined, 'same-site', 'cross-site', 'none']) {
    isProblem(t, await call(site === undefined ? {} : { 'sec-fetch-site': site }), 'FORBIDDEN', {
      detail: /same-origin/,
    })
  }
})

t.test('signing in: only with a right token, and not from another site', async (t) => {
  isProblem(t, await server.post('/v1/session', { token: 'tp_wrong' }), 'UNAUTHORIZED')
  isProblem(t, (await signIn('expired')).answer, 'UNAUTHORIZED')
  isProblem(t, (await signIn('page', { 'sec-fetch-site': 'cross-site' })).answer, 'FORBIDDEN')
  isProblem(t, await server.post('/v1/session', {}), 'VALIDATION_FAILED')
})

t.test('a session ends when the page signs out', async (t) => {
  const { headers } = await signIn('page')
  const out = await server.request('DELETE', '/v1/session', { headers: { ...headers, ...sameOrigin } })
  t.equal(out.status, 204)
  t.match(out.headers['set-cookie']?.[0], /^threadplane_session=; Max-Age=0; /)
  isProblem(t, await server.get('/v1/services', { headers }), 'UNAUTHORIZED')
})

t.test('a session ends with its token, also if another token gets the same id', async (t) => {
  const { headers } = await signIn('revoked')
  t.equal((await server.get('/v1/services', { headers })).status, 200)
  await rig.add('revoked', ['admin'])
  await rig.seen(1)
  isProblem(t, await server.get('/v1/services', { headers }), 'UNAUTHORIZED', { detail: /the session has ended/ })
})

t.test('pages of a known origin may ask and read; others may not', async (t) => {
  const ask = (origin: string, path = '/v1/jobs') =>
    server.request('OPTIONS', path, { headers: { origin, 'access-control-request-method': 'POST' } })
  const asked = await ask(ORIGIN)
  t.equal(asked.status, 204)
  t.match(asked.headers, {
    'access-control-allow-origin': ORIGIN,
    'access-control-allow-methods': /PATCH/,
    'access-control-allow-headers': /Authorization/,
    vary: 'Origin',
  })
  t.equal(asked.headers['access-control-allow-credentials'], undefined)
  const read = await server.get('/v1/services', { headers: { origin: ORIGIN, ...rig.bearer('page') } })
  t.equal(read.status, 200)
  t.equal(read.headers['access-control-allow-origin'], ORIGIN)
  const refused = await server.get('/v1/services', { headers: { origin: ORIGIN } })
  isProblem(t, refused, 'UNAUTHORIZED')
  t.equal(refused.headers['access-control-allow-origin'], ORIGIN, 'the page can read why')
  for (const origin of ['https://pages.example:8443', 'http://pages.example', 'https://a.pages.example', 'null']) {
    const other = await ask(origin)
    t.not(other.status, 204)
    t.equal(other.headers['access-control-allow-origin'], undefined)
  }
})

t.test('without tokens, a known origin passes the check of origins', async (t) => {
  const open = await serve(t, { services: {}, origins: [ORIGIN] })
  const from = (origin: string) => open.get('/v1/services', { headers: { origin, 'sec-fetch-site': 'cross-site' } })
  t.equal((await from(ORIGIN)).status, 200)
  isProblem(t, await from('https://other.example'), 'FORBIDDEN')
})
