/** What `/metrics` shows of the log, of streams of events, and of tokens; and the times that `stats` has. */
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { newToken } from '../../src/auth/token-text.ts'
import { TokensRig } from '../auth/tokens-rig.ts'
import { becomes, serve, type TestServer, within } from '../http-helper.ts'
import { Scrape } from '../metrics-text.ts'

const rig = new TokensRig(t)
await rig.add('admin', ['admin'])
await rig.add('expired', ['read'], { expiresAt: '2020-01-01T00:00:00Z' })
await rig.add('reader', ['read'])
await rig.add('slow', ['read'], { rate: { requests: 2, perSeconds: 3_600 } })
const admin = rig.bearer('admin')

async function scrape(server: TestServer): Promise<(name: string, labels?: string) => number | undefined> {
  const metrics = new Scrape((await server.get('/metrics', { headers: admin })).text)
  return (name, labels) => metrics.get(`threadplane_${name}${labels === undefined ? '' : `{${labels}}`}`)
}

async function follow(t: Test, { port }: TestServer, query: string, headers = admin): Promise<IncomingMessage> {
  const accept = { accept: 'application/x-ndjson', ...headers }
  const request = get({ port, path: `/v1/events${query}`, headers: accept, agent: false })
  request.on('error', () => {})
  t.teardown(() => request.destroy())
  const [response] = (await within(once(request, 'response'), 'the answer')) as [IncomingMessage]
  response.on('error', () => {})
  return response
}

for (const isolation of ['thread', 'process']) {
  t.test(`lines of the log are counted by level, and those that were dropped: ${isolation}`, async (t) => {
    const server = await serve(t, { services: { logs: 'logs', echo: 'echo' } })
    await server.request('PATCH', '/v1/services/logs', { json: { isolation } })
    const own = 'service="logs"'
    const before = await scrape(server)
    t.equal(before('log_lines_total', 'service="echo",level="warn"'), 0, 'before its first line')
    t.equal(before('log_lines_dropped_total', own), 0)
    await server.call('logs', 'levels', null)
    await becomes('two warnings', async () => (await scrape(server))('log_lines_total', `${own},level="warn"`) === 2)
    t.equal((await scrape(server))('log_lines_total', `${own},level="debug"`), 0, 'is not kept')
    t.ok(((await scrape(server))('log_lines_total', `${own},level="info"`) as number) >= 1)
    await server.call('logs', 'flood', null)
    await becomes('the rest to be dropped', async () => {
      const count = await scrape(server)
      const kept = count('log_lines_total', `${own},level="error"`) as number
      const dropped = count('log_lines_dropped_total', own) as number
      return dropped > 0 && kept + dropped === 1_500
    })
    t.match((await scrape(server))('log_lines_total', 'service="",level="info"'), Number, 'the server itself')
    await server.delete('/v1/services/logs')
    t.equal((await scrape(server))('log_lines_dropped_total', own), undefined)
  })
}

t.test('streams of events are counted, and those that were cut, by reason', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' }, tokens: await rig.open() })
  t.equal((await scrape(server))('event_streams'), 0)
  const lazy = await follow(t, server, '?type=service.options')
  lazy.pause()
  lazy.socket.pause()
  const keen = await follow(t, server, '?type=thread.*', rig.bearer('reader'))
  keen.resume()
  t.equal((await scrape(server))('event_streams'), 2)
  const cut = async (reason: string) => (await scrape(server))('event_streams_cut_total', `reason="${reason}"`)
  const changed = ['x'.repeat(50_000)]
  const { events } = server.server
  await becomes('the lazy client to be cut', async () => {
    for (let count = 0; count < 20; count += 1) events.emit({ type: 'service.options', service: 'echo', changed })
    return (await cut('slow')) === 1
  })
  t.equal(await cut('token'), 0)
  await rig.revoke('reader')
  await within(once(keen, 'close'), 'the end of the stream of the revoked token')
  await becomes('no stream', async () => (await scrape(server))('event_streams') === 0)
  t.equal(await cut('token'), 1)
  t.equal(await cut('slow'), 1, 'counted once')
})

t.test('requests without a valid token are counted by reason, and those beyond a rate limit', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' }, tokens: await rig.open() })
  const ask = async (headers: Record<string, string>) => (await server.get('/v1/services', { headers })).status
  t.equal((await scrape(server))('rate_limited_total', 'token="slow"'), 0, 'before the first')
  t.equal((await scrape(server))('rate_limited_total', 'token="admin"'), undefined, 'has no limit')
  t.equal(await ask({}), 401)
  t.equal(await ask({ authorization: 'Basic eA==' }), 401)
  t.equal(await ask({ authorization: 'Bearer short' }), 401)
  t.equal(await ask({ authorization: `Bearer ${newToken()}` }), 401)
  t.equal(await ask(rig.bearer('expired')), 401)
  t.equal(await ask({ cookie: 'threadplane_session=wrong' }), 401)
  const page = { 'sec-fetch-site': 'cross-site' }
  t.equal((await server.post('/v1/session', { token: rig.texts.get('admin') }, { headers: page })).status, 403)
  const count = await scrape(server)
  const failures = (reason: string) => count('auth_failures_total', `reason="${reason}"`)
  const reasons = ['missing', 'malformed', 'unknown', 'expired', 'session_ended', 'foreign_page', 'too_many']
  t.strictSame(reasons.map(failures), [1, 2, 1, 1, 1, 1, 0])

  t.strictSame([await ask(rig.bearer('slow')), await ask(rig.bearer('slow'))], [200, 200])
  t.strictSame([await ask(rig.bearer('slow')), await ask(rig.bearer('slow'))], [429, 429])
  t.equal((await scrape(server))('rate_limited_total', 'token="slow"'), 2)
  for (let wrong = 3; wrong < 20; wrong += 1) await ask({ authorization: 'Bearer wrong' })
  t.equal(await ask({ authorization: 'Bearer wrong' }), 429)
  t.equal((await scrape(server))('auth_failures_total', 'reason="too_many"'), 1)
})

t.test('stats have the times of what ran since the last ones, and null if nothing did', async (t) => {
  const server = await serve(t, { services: { logs: 'logs' } })
  const response = await follow(t, server, '?type=stats')
  const rows: Record<string, number | null>[] = []
  let columns: string[] = []
  let check = () => {}
  createInterface({ input: response })
    .on('error', () => {})
    .on('line', (line) => {
      const { type, statsColumns, services } = line === '' ? {} : JSON.parse(line)
      if (type === 'hello') columns = statsColumns
      if (type === 'stats') rows.push(Object.fromEntries(columns.map((name, at) => [name, services.logs[at]])))
      check()
    })
  const has = (matches: (row: Record<string, number | null>) => boolean) =>
    within(
      new Promise<void>((resolve) => {
        check = () => rows.some(matches) && resolve()
        check()
      }),
      'stats',
    )
  await has(({ p50Ms, p99Ms }) => p50Ms === null && p99Ms === null)
  await Promise.all([server.call('logs', 'quick', null), server.call('logs', 'quick', null)])
  await server.call('logs', 'takes', 120)
  await has(({ p99Ms }) => (p99Ms ?? 0) > 100)
  const { p50Ms, p95Ms, p99Ms } = rows.find((row) => (row.p99Ms ?? 0) > 100) as Record<string, number>
  t.ok((p50Ms as number) <= (p95Ms as number) && (p95Ms as number) <= (p99Ms as number))
  rows.length = 0
  await has((row) => row.p99Ms === null)
  t.pass('nothing has run since')
})
