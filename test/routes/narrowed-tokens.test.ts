/** What tokens see of a server with several services: lists without the others, jobs that do not exist for them, rates. */
import t from 'tap'
import { TokensRig } from '../auth/tokens-rig.ts'
import { isProblem, serve } from '../http-helper.ts'

const rig = new TokensRig(t)
await rig.add('admin', ['admin'])
await rig.add('echoes', ['read:echo*'])
await rig.add('caster', ['enqueue:echo'])
await rig.add('other', ['enqueue:other', 'read:other'])
await rig.add('reader', ['read'])
await rig.add('operator', ['operate:echo'])
await rig.add('slow', ['read'], { rate: { requests: 2, perSeconds: 3_600 } })
const server = await serve(t, {
  services: { echo: 'echo', echo2: 'echo', other: 'echo' },
  tokens: await rig.open(),
})
const as = (id: string) => ({ headers: rig.bearer(id) })
const cast = async (service: string, id: string, headers = {}) => {
  const path = `/v1/services/${service}/cast/any`
  return server.post(path, 1, { headers: { ...rig.bearer(id), ...headers } })
}
const namesOf = (list: { name?: string; service?: string }[]) =>
  list.map(({ name, service }) => String(name ?? service)).sort()

t.test('the list of services has those that the token may read', async (t) => {
  const list = async (id: string) => namesOf((await server.get('/v1/services', as(id))).json.items)
  t.strictSame(await list('echoes'), ['echo', 'echo2'])
  t.strictSame(await list('reader'), ['echo', 'echo2', 'other'])
  t.strictSame(await list('other'), ['other'])
  isProblem(t, await server.get('/v1/services', as('caster')), 'FORBIDDEN', {
    detail: 'the token needs the scope read',
  })
})

t.test('a service out of sight is as one that does not exist: no answer names the others', async (t) => {
  for (const path of [
    '/v1/services/other',
    '/v1/services/nothing',
    '/v1/services/echo-none',
    '/v1/services/other/schedules',
  ]) {
    const answer = await server.get(path, as('echoes'))
    isProblem(t, answer, 'SERVICE_NOT_FOUND')
    t.match(answer.json.detail, /^there is no service "[a-z-]+"$/)
  }
  t.match((await server.get('/v1/services/nothing', as('reader'))).json.detail, /there are: .*other/)
  isProblem(t, await cast('other', 'caster'), 'SERVICE_NOT_FOUND', { detail: 'there is no service "other"' })
  isProblem(t, await cast('other', 'reader'), 'FORBIDDEN', { detail: 'the token needs the scope enqueue:other' })
})

t.test('the OpenAPI document names the services that the token may read', async (t) => {
  const { text } = await server.get('/openapi.json', as('echoes'))
  t.match(text, '/v1/services/echo2/call/any')
  t.notMatch(text, '/v1/services/other/call/any')
  t.match((await server.get('/openapi.json', as('reader'))).text, '/v1/services/other/call/any')
  t.notMatch((await server.get('/docs/yaml', as('echoes'))).text, '/v1/services/other/call/any')
})

t.test('jobs are seen by those who may read or enqueue for their service', async (t) => {
  for (const service of ['echo', 'echo2', 'other', 'echo']) t.equal((await cast(service, 'admin')).status, 202)
  const list = async (id: string, query = '') => {
    const { json } = await server.get(`/v1/jobs${query}`, as(id))
    return namesOf(json.items)
  }
  t.strictSame(await list('admin'), ['echo', 'echo', 'echo2', 'other'])
  t.strictSame(await list('echoes'), ['echo', 'echo', 'echo2'])
  t.strictSame(await list('caster'), ['echo', 'echo'])
  t.strictSame(await list('caster', '?service=other'), [])
  t.strictSame(await list('echoes', '?method=any&state=cancelled'), [])
  const page = (await server.get('/v1/jobs?limit=2', as('echoes'))).json
  t.strictSame(namesOf(page.items), ['echo', 'echo2'])
  const next = (await server.get(`/v1/jobs?limit=2&cursor=${page.nextCursor}`, as('echoes'))).json
  t.strictSame(namesOf(next.items), ['echo'])
  t.equal(next.nextCursor, null)
})

t.test('a job of a service out of sight does not exist; to change one needs the scope', async (t) => {
  const later = '/v1/services/echo/cast/any?delayMs=3600000'
  const { json: job } = await server.post(later, 1, as('caster'))
  t.equal((await server.get(`/v1/jobs/${job.id}`, as('caster'))).json.id, job.id)
  t.equal((await server.get(`/v1/jobs/${job.id}`, as('echoes'))).json.id, job.id)
  isProblem(t, await server.get(`/v1/jobs/${job.id}`, as('other')), 'JOB_NOT_FOUND')
  isProblem(t, await server.get(`/v1/jobs/${job.id}`, as('operator')), 'FORBIDDEN')
  isProblem(t, await server.post(`/v1/jobs/${job.id}/run`, undefined, as('caster')), 'FORBIDDEN')
  const cancel = (id: string) => server.post(`/v1/jobs/${job.id}/cancel`, undefined, as(id))
  isProblem(t, await cancel('other'), 'JOB_NOT_FOUND')
  isProblem(t, await cancel('operator'), 'FORBIDDEN', { detail: 'the token needs the scope enqueue' })
  t.equal((await cancel('caster')).json.state, 'cancelled')
  const remove = (id: string) => server.request('DELETE', `/v1/jobs/${job.id}`, as(id))
  isProblem(t, await remove('caster'), 'FORBIDDEN')
  t.equal((await remove('operator')).status, 204)
})

t.test('an Idempotency-Key belongs to its token', async (t) => {
  const key = { 'idempotency-key': '"the-same"' }
  const first = await cast('echo', 'caster', key)
  t.equal((await cast('echo', 'caster', key)).json.id, first.json.id)
  const other = await cast('echo', 'admin', key)
  t.equal(other.status, 202)
  t.not(other.json.id, first.json.id)
})

t.test('a token with a rate is told its quota, and answered 429 beyond it', async (t) => {
  const first = await server.get('/v1/services', as('slow'))
  t.match(first.headers, { 'ratelimit-policy': '"token";q=2;w=3600', ratelimit: '"token";r=1;t=1800' })
  t.equal((await server.get('/v1/services', as('slow'))).headers.ratelimit, '"token";r=0;t=3600')
  const refused = await server.get('/v1/services', as('slow'))
  isProblem(t, refused, 'QUOTA_EXCEEDED', { detail: 'the token slow may send 2 requests in 3600 s' })
  t.match(refused.headers, { ratelimit: /^"token";r=0;t=3[56]\d\d$/, 'retry-after': /^1[78]\d\d$/ })
  t.equal((await server.get('/v1/services', as('reader'))).headers.ratelimit, undefined)
})

t.test('with tokens, names in Host and origins of pages are not checked: a foreign page has no token', async (t) => {
  const foreign = { host: 'example.com', origin: 'http://example.org', 'sec-fetch-site': 'cross-site' }
  t.equal((await server.get('/v1/services', { headers: { ...foreign, ...rig.bearer('reader') } })).status, 200)
  isProblem(t, await server.get('/v1/services', { headers: foreign }), 'UNAUTHORIZED')
})
