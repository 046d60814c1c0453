/** The audit: which requests have a row, what it says, who may read it. */
import t, { type Test } from 'tap'
import { newToken } from '../../src/auth/token-text.ts'
import { TokensRig } from '../auth/tokens-rig.ts'
import { type Answer, becomes, isProblem, letGo, serve, type TestServer } from '../http-helper.ts'
import { LineStream } from '../line-stream.ts'

type Row = Record<string, unknown>

const rig = new TokensRig(t)
await rig.add('admin', ['admin'])
await rig.add('auditor', ['admin'])
await rig.add('reader', ['read'])
await rig.add('narrow', ['read', 'operate:echo', 'enqueue:echo'])
await rig.add('once', ['read'], { rate: { requests: 1, perSeconds: 3_600, burst: 1 } })
const services = { echo: 'echo', other: 'echo', 'waits-to-stop': 'waits-to-stop' }
const server = await serve(t, { services, tokens: await rig.open() })
const as = (id: string) => ({ headers: rig.bearer(id) })

async function list(query = ''): Promise<Answer['json']> {
  const { status, json, text } = await server.get(`/v1/audit${query}`, as('auditor'))
  if (status !== 200) throw new Error(text)
  return json
}

/** Waits until a row matches: it is written soon after the answer. */
async function row(t: Test, expected: Row): Promise<Row> {
  const matches = (one: Row) => Object.entries(expected).every(([name, value]) => one[name] === value)
  let found: Row | undefined
  await becomes(`a row ${JSON.stringify(expected)}`, async () => {
    found = (await list('?limit=1000')).items.find(matches)
    return found !== undefined
  })
  t.match(found, { at: /Z$/, address: '127.0.0.1', requestId: /^[\w-]{36}$/, via: String })
  return found as Row
}

t.test('each change has a row: the token, the service, what it was for, and how it ended', async (t) => {
  const by = { token: 'admin', via: 'bearer', outcome: 'ok', code: null }
  await server.post('/v1/services/echo/restart', undefined, as('admin'))
  await row(t, { ...by, action: 'restartService', service: 'echo', target: null })
  const schedule = { cron: '0 0 1 1 *', method: 'any', payload: 1 }
  await server.request('PUT', '/v1/services/echo/schedules/yearly', { json: schedule, ...as('admin') })
  await row(t, { ...by, action: 'putSchedule', service: 'echo', target: 'yearly' })
  isProblem(t, await server.post('/v1/services/nobody/stop', undefined, as('admin')), 'SERVICE_NOT_FOUND')
  const failed = { outcome: 'failed', code: 'SERVICE_NOT_FOUND', action: 'stopService', service: 'nobody' }
  await row(t, { ...by, ...failed })
  isProblem(
    t,
    await server.request('PATCH', '/v1/services/echo', { json: { no: 1 }, ...as('admin') }),
    'VALIDATION_FAILED',
  )
  await row(t, { ...by, action: 'patchService', service: 'echo', outcome: 'failed', code: 'VALIDATION_FAILED' })
})

t.test('changes of jobs: the row names the service, which the path does not', async (t) => {
  const { json: job } = await server.post('/v1/services/echo/cast/any?delayMs=1000000', 1, as('admin'))
  await server.post(`/v1/jobs/${job.id}/cancel`, undefined, as('narrow'))
  await row(t, { action: 'cancelJob', service: 'echo', target: job.id, token: 'narrow', outcome: 'ok' })
  const { json: later } = await server.post('/v1/services/echo/cast/any?delayMs=1000000', 1, as('admin'))
  await server.post(`/v1/jobs/${later.id}/run`, undefined, as('admin'))
  await row(t, { action: 'runJob', service: 'echo', target: later.id, outcome: 'ok' })
  await server.post(`/v1/jobs/${job.id}/retry`, undefined, as('admin'))
  await row(t, { action: 'retryJob', service: 'echo', target: job.id, outcome: 'ok' })
  await becomes('the job to end', async () => {
    const { json } = await server.get(`/v1/jobs/${job.id}`, as('admin'))
    return json.state === 'succeeded'
  })
  await server.request('DELETE', `/v1/jobs/${job.id}`, as('admin'))
  await row(t, { action: 'deleteJob', service: 'echo', target: job.id, outcome: 'ok' })
  const filter = { state: 'failed', service: 'echo' }
  await server.post('/v1/jobs/bulk', { action: 'retry', filter, dryRun: true }, as('admin'))
  await row(t, { action: 'changeJobs', service: 'echo', target: 'retry failed, dry run', outcome: 'ok' })
})

t.test('GETs, calls and casts have no row', async (t) => {
  t.equal((await server.get('/v1/services', as('reader'))).status, 200)
  t.equal((await server.call('other', 'any', 1, as('admin'))).status, 200)
  isProblem(t, await server.call('other', 'missing', 1, as('admin')), 'METHOD_NOT_FOUND')
  t.equal((await server.post('/v1/services/other/cast/any', 1, as('admin'))).status, 202)
  await server.post('/v1/services/other/pause', undefined, as('admin'))
  await row(t, { action: 'pauseService', service: 'other' })
  t.equal((await list('?service=other')).items.length, 1)
  t.equal((await list('?token=auditor')).items.length, 0)
})

t.test('every refusal has a row', async (t) => {
  isProblem(t, await server.get('/v1/services'), 'UNAUTHORIZED')
  await row(t, { action: 'listServices', token: null, via: 'none', outcome: 'refused', code: 'UNAUTHORIZED' })
  const wrong = { headers: { authorization: `Bearer ${newToken()}` } }
  isProblem(t, await server.call('echo', 'any', 1, wrong), 'UNAUTHORIZED')
  await row(t, { action: 'callMethod', service: 'echo', target: 'any', code: 'UNAUTHORIZED' })
  isProblem(t, await server.post('/v1/services/echo/stop', undefined, as('reader')), 'FORBIDDEN')
  await row(t, { action: 'stopService', service: 'echo', token: 'reader', outcome: 'refused', code: 'FORBIDDEN' })
  isProblem(t, await server.post('/v1/services/echo/cast/any', 1, as('reader')), 'FORBIDDEN')
  await row(t, { action: 'castMethod', service: 'echo', token: 'reader', outcome: 'refused', code: 'FORBIDDEN' })
  await server.get('/v1/services', as('once'))
  isProblem(t, await server.get('/v1/services', as('once')), 'QUOTA_EXCEEDED')
  await row(t, { action: 'listServices', token: 'once', outcome: 'refused', code: 'QUOTA_EXCEEDED' })
  const bulk = { action: 'retry', filter: { state: 'failed' } }
  isProblem(t, await server.post('/v1/jobs/bulk', bulk, as('narrow')), 'FORBIDDEN')
  await row(t, { action: 'changeJobs', token: 'narrow', outcome: 'refused', code: 'FORBIDDEN' })
  t.equal((await list('?token=narrow')).items.filter(({ code }: Row) => code === 'FORBIDDEN').length, 1, 'only one row')
})

t.test('a session: who began it, and what was done in it', async (t) => {
  const { headers } = await server.post('/v1/session', { token: rig.texts.get('admin') })
  await row(t, { action: 'signIn', token: 'admin', via: 'session', outcome: 'ok' })
  const cookie = (headers['set-cookie'] as string[])[0]?.split(';', 1)[0] as string
  const page = { headers: { cookie, 'sec-fetch-site': 'same-origin' } }
  t.equal((await server.post('/v1/services/echo/restart', undefined, page)).status, 200)
  await row(t, { action: 'restartService', token: 'admin', via: 'session' })
  isProblem(t, await server.post('/v1/session', { token: 'tp_wrong' }), 'UNAUTHORIZED')
  await row(t, { action: 'signIn', token: null, via: 'none', outcome: 'refused', code: 'UNAUTHORIZED' })
  t.notMatch(JSON.stringify(await list('?limit=1000')), rig.texts.get('admin'))
})

t.test('a client that hangs up leaves a row', async (t) => {
  const leave = new AbortController()
  const sent = server.post('/v1/services/waits-to-stop/stop', undefined, { ...as('admin'), signal: leave.signal })
  await server.reaches('waits-to-stop', 'stopping')
  await server.logs.line('waits to stop')
  leave.abort()
  await t.rejects(sent)
  await row(t, { action: 'stopService', service: 'waits-to-stop', outcome: 'aborted', code: null })
  letGo('waits-to-stop')
})

t.test('pages: newest first; filters by service and token', async (t) => {
  const whole = (await list('?limit=1000')).items as Row[]
  const ids = ({ items }: { items: Row[] }) => items.map(({ requestId }) => requestId)
  const first = await list('?limit=2')
  t.strictSame(ids(first), ids({ items: whole.slice(0, 2) }))
  const second = await list(`?limit=2&cursor=${first.nextCursor}`)
  t.strictSame(ids(second), ids({ items: whole.slice(2, 4) }))
  const both = await list('?service=echo&token=reader')
  t.ok(both.items.length >= 2)
  t.ok(both.items.every((one: Row) => one.service === 'echo' && one.token === 'reader'))
  t.equal(both.nextCursor, null)
  const page = await list(`?service=echo&token=reader&limit=1`)
  t.strictSame((await list(`?service=echo&token=reader&limit=1&cursor=${page.nextCursor}`)).items, [both.items[1]])
  isProblem(t, await server.get('/v1/audit?cursor=x', as('auditor')), 'MALFORMED_QUERY')
})

t.test('it is for administrators', async (t) => {
  isProblem(t, await server.get('/v1/audit', as('reader')), 'FORBIDDEN')
  const { json } = await server.get('/v1/audit?limit=1', as('auditor'))
  t.equal(json.items.length, 1)
})

async function follow(t: Test, server: TestServer, query: string, id: string): Promise<() => Row[]> {
  const stream = await LineStream.open<Row>(t, server, `/v1/events${query}`, rig.bearer(id))
  return () => stream.lines
}

t.test('streams of events have the rows, if they ask for them and are those of administrators', async (t) => {
  const audit = await follow(t, server, '?type=audit', 'admin')
  const ofOther = await follow(t, server, '?type=audit,service.*&service=other', 'admin')
  const reader = await follow(t, server, '?type=audit,service.*', 'reader')
  const usual = await follow(t, server, '', 'admin')
  await server.post('/v1/services/echo/restart', undefined, as('admin'))
  await server.post('/v1/services/other/restart', undefined, as('admin'))
  const audits = (rows: () => Row[]) => rows().filter(({ type }) => type === 'audit')
  await becomes('both rows', () => audits(audit).length === 2)
  t.match(audits(audit)[0], {
    id: /^\w+-\d+$/,
    at: /Z$/,
    action: 'restartService',
    service: 'echo',
    token: 'admin',
    via: 'bearer',
    address: '127.0.0.1',
    outcome: 'ok',
    code: null,
  })
  await becomes('the row of the service', () => audits(ofOther).length === 1)
  const isOfOther = (one: Row) => one.type === 'service.state' && one.service === 'other'
  await becomes('the events of the others', () => reader().some(isOfOther) && usual().some(isOfOther))
  t.same(audits(reader), [])
  t.same(audits(usual), [])
})

t.test('without tokens everybody is named by the address; what the guard of the host refuses has a row', async (t) => {
  const open = await serve(t, { services: { echo: 'echo' } })
  await open.post('/v1/services/echo/restart')
  isProblem(t, await open.get('/v1/services', { headers: { host: 'evil.example' } }), 'FORBIDDEN')
  await becomes('two rows', async () => (await open.get('/v1/audit')).json.items.length === 2)
  t.match((await open.get('/v1/audit')).json.items, [
    { action: 'listServices', via: 'open', token: null, outcome: 'refused', code: 'FORBIDDEN' },
    { action: 'restartService', via: 'open', token: null, outcome: 'ok', service: 'echo', address: '127.0.0.1' },
  ])
})

t.test('the rows outlive the server; a row that was just recorded is written at its end', async (t) => {
  const first = await serve(t, { services: { echo: 'echo' } })
  await first.post('/v1/services/echo/pause')
  await first.close()
  const second = await serve(t, { services: { echo: 'echo' }, folder: first.folder })
  t.match((await second.get('/v1/audit')).json, { items: [{ action: 'pauseService' }], nextCursor: null })
})
