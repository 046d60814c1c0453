/**
 * Every route of the server is asked with every scope, and with tokens that are missing, wrong, expired, narrowed and
 * revoked. The list of routes is the app's own, so a new route is tested without a change here.
 */
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import Fastify from 'fastify'
import t from 'tap'
import { SCOPES, type Scope } from '../../src/auth/access.ts'
import { newToken } from '../../src/auth/token-text.ts'
import { timings } from '../../src/auth/wrong-tokens.ts'
import { tokenGuard } from '../../src/http/token-guard.ts'
import { TokensRig } from '../auth/tokens-rig.ts'
import { serve, type TestServer, within } from '../http-helper.ts'

interface Asked {
  status: number
  challenge: string | undefined
}

/**
 * Asks, and does not wait for the body: some routes never end theirs.
 * @param localAddress from which to ask
 */
function ask(
  server: TestServer,
  method: string,
  path: string,
  authorization?: string,
  localAddress = '127.0.0.1',
): Promise<Asked> {
  const answered = new Promise<Asked>((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization }
    const options = { port: server.port, host: '127.0.0.1', localAddress, method, path, headers, agent: false }
    const sent = httpRequest(options, (answer) => {
      resolve({ status: answer.statusCode ?? 0, challenge: answer.headers['www-authenticate'] })
      answer.destroy()
    })
    sent.on('error', reject)
    sent.end()
  })
  return within(answered, `an answer to ${method} ${path}`)
}

/** A path of the route whose service, method or job does not exist, so that requests change nothing. */
function pathOf(url: string): string {
  return url.replace(/:\w+/g, 'nothing').replace('*', 'nothing')
}

const rig = new TokensRig(t)
for (const scope of SCOPES) await rig.add(scope, [scope])
for (const scope of SCOPES.filter((one) => one !== 'metrics' && one !== 'admin')) {
  await rig.add(`${scope}-narrow`, [`${scope}:noth*`])
  await rig.add(`${scope}-elsewhere`, [`${scope}:elsewhere`, `${scope}:nothin`])
}
await rig.add('expired', ['admin'], { expiresAt: '2020-01-01T00:00:00Z' })
await rig.add('lasting', ['admin'], { expiresAt: '2120-01-01T00:00:00Z' })
await rig.add('revoked', ['admin'])

const server = await serve(t, { services: { echo: 'echo' }, tokens: await rig.open() })
const routes = server.server.app.guardedRoutes.flatMap(({ method, url, config = {} }) =>
  [method].flat().map((one) => {
    const { scope = 'none', narrows = false } = config
    const scopes: readonly Scope[] | undefined = scope === 'none' ? undefined : [scope].flat()
    return { method: one, url, path: pathOf(url), scopes, narrows }
  }),
)
const guarded = routes.filter(({ scopes }) => scopes !== undefined)
const isRefusal = ({ status }: Asked) => status === 401 || status === 403 || status === 429

t.test('the routes that need no token are these', async (t) => {
  const open = routes.filter(({ scopes, method }) => scopes === undefined && method !== 'HEAD')
  const names = open.map(({ method, url }) => `${method} ${url}`)
  // The files of the page have the hashes of their contents in their names.
  t.strictSame(names.filter((name) => !name.startsWith('GET /assets/')).sort(), [
    'DELETE /v1/session',
    'GET /',
    'GET /activity',
    'GET /failures',
    'GET /icon.svg',
    'GET /jobs',
    'GET /jobs/:id',
    'GET /livez',
    'GET /readyz',
    'GET /schedules',
    'GET /services',
    'GET /services/:name',
    'GET /startupz',
    'GET /system',
    'POST /v1/session',
  ])
  t.ok(guarded.length > 30)
  for (const { method, path } of open) t.notOk(isRefusal(await ask(server, method, path)), path)
})

t.test('a server with a route that declares no scope does not start', async (t) => {
  const app = Fastify()
  await app.register(tokenGuard, { credentials: undefined })
  app.get('/declared', { config: { scope: 'read' } }, async () => 1)
  app.get('/undeclared', async () => 1)
  await t.rejects(async () => await app.ready(), {
    message: 'routes without a scope in their config: GET /undeclared, HEAD /undeclared',
  })
})

t.test('without a token every other route is answered 401', async (t) => {
  for (const { method, path } of guarded) {
    const { status, challenge } = await ask(server, method, path)
    t.equal(status, 401, `${method} ${path}`)
    t.equal(challenge, 'Bearer realm="threadplane"')
  }
})

t.test(
  'with a scope that a route does not name it is answered 403, which names the scope that is needed',
  async (t) => {
    for (const { method, path, url, scopes = [] } of guarded) {
      for (const scope of SCOPES) {
        const answer = await ask(server, method, path, rig.bearer(scope).authorization)
        const isAllowed = scope === 'admin' || scopes.includes(scope)
        const needed = url.includes(':service') ? `${scopes[0]}:nothing` : scopes[0]
        if (isAllowed) t.notOk(isRefusal(answer), `${method} ${path} with ${scope}: ${answer.status}`)
        else {
          t.equal(answer.status, 403, `${method} ${path} with ${scope}`)
          t.equal(answer.challenge, `Bearer realm="threadplane", error="insufficient_scope", scope="${needed}"`)
        }
      }
    }
  },
)

t.test('a narrowed scope is for the services that it names; others do not exist', async (t) => {
  for (const { method, path, url, scopes = [], narrows } of guarded) {
    for (const scope of scopes.filter((one) => one !== 'metrics' && one !== 'admin')) {
      const here = await ask(server, method, path, rig.bearer(`${scope}-narrow`).authorization)
      const elsewhere = await ask(server, method, path, rig.bearer(`${scope}-elsewhere`).authorization)
      const what = `${method} ${path} with ${scope}`
      if (url.includes(':service')) {
        t.notOk(isRefusal(here), what)
        t.equal(elsewhere.status, 404, what)
      } else if (narrows) {
        t.notOk(isRefusal(here), what)
        t.notOk(isRefusal(elsewhere), what)
      } else {
        t.equal(here.status, 403, what)
        t.equal(elsewhere.status, 403, what)
      }
    }
  }
})

t.test('a wrong, an expired and a revoked token are answered 401 on every route', async (t) => {
  const revoked = rig.bearer('revoked').authorization
  t.equal((await ask(server, 'GET', '/v1/services', revoked)).status, 200, 'before it is revoked')
  await rig.revoke('revoked')
  await rig.seen(1)
  for (const [at, { method, path }] of guarded.entries()) {
    // Each address may send 20 wrong tokens in a minute.
    const from = `127.0.1.${1 + Math.floor(at / 6)}`
    const invalid = async (authorization: string, description: string) => {
      const { status, challenge } = await ask(server, method, path, authorization, from)
      t.equal(status, 401, `${method} ${path}`)
      t.equal(challenge, `Bearer realm="threadplane", error="invalid_token", error_description="${description}"`)
    }
    await invalid(`Bearer ${newToken()}`, 'The token is not valid')
    await invalid(revoked, 'The token is not valid')
    await invalid(rig.bearer('expired').authorization, 'The token has expired')
    t.notOk(isRefusal(await ask(server, method, path, rig.bearer('lasting').authorization, from)), `${method} ${path}`)
  }
})

t.test('what is no token is answered 401', async (t) => {
  for (const authorization of [
    '',
    'Bearer',
    'Bearer ',
    'Basic YTpi',
    `Token ${rig.texts.get('admin')}`,
    'Bearer a b',
  ]) {
    const { status, challenge } = await ask(server, 'GET', '/v1/services', authorization)
    t.equal(status, 401, authorization)
    t.equal(challenge, 'Bearer realm="threadplane"', authorization)
  }
  t.equal((await ask(server, 'GET', '/v1/services', `bearer  ${rig.texts.get('admin')} `)).status, 200)
  t.equal((await ask(server, 'GET', '/v1/nothing')).status, 404, 'a route that does not exist needs none')
})

t.test('after 20 wrong tokens a wrong one is answered 429 on every route, and a right one is not', async (t) => {
  const { answerLateMs } = timings
  t.teardown(() => Object.assign(timings, { answerLateMs }))
  timings.answerLateMs = 0
  let last: Asked = { status: 0, challenge: '' }
  for (let n = 0; n < 21; n += 1) last = await ask(server, 'GET', '/v1/services', `Bearer ${newToken()}`)
  t.equal(last.status, 429)
  for (const { method, path } of guarded) {
    t.equal((await ask(server, method, path, `Bearer ${newToken()}`)).status, 429, `${method} ${path}`)
    t.equal((await ask(server, method, path, rig.bearer('expired').authorization)).status, 429, `${method} ${path}`)
  }
  t.equal((await ask(server, 'GET', '/v1/services', rig.bearer('read').authorization)).status, 200)

  // From now on the answer to a wrong token is late. A request with a right token is answered at once.
  timings.answerLateMs = 3_600_000
  const { port } = server
  const wrong = httpRequest({ port, path: '/v1/services', headers: { authorization: `Bearer ${newToken()}` } })
  wrong.on('error', () => {}).on('response', () => t.fail('a wrong token is answered at once'))
  const arrived = once(server.server.app.server, 'request')
  wrong.end()
  await within(arrived, 'the wrong token to arrive')
  t.equal((await ask(server, 'GET', '/v1/services', rig.bearer('read').authorization)).status, 200)
  wrong.destroy()
})
