/** The log as clients read it: of a service, of a job, of everything, and as a stream. */
import t, { type Test } from 'tap'
import { becomes, isProblem, serve, type TestServer, within } from '../http-helper.ts'
import { LineStream } from '../line-stream.ts'

interface Line extends Record<string, unknown> {
  id: string
  msg: string
}

async function read(server: TestServer, path: string, headers: Record<string, string> = {}): Promise<Line[]> {
  const { status, text } = await server.get(path, { headers })
  if (status !== 200) throw new Error(`${status} ${text}`)
  return linesOf(text)
}

function linesOf(text: string): Line[] {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as Line)
}

const follow = (t: Test, server: TestServer, path: string) => LineStream.open<Line>(t, server, path)

t.test('the lines of a service say which thread, method and attempt has logged them', async (t) => {
  const server = await serve(t, { services: { gate: 'gate', echo: 'echo' } })
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const { json: job } = await server.post('/v1/services/gate/cast/hold', { token: 'a' }, { headers: { traceparent } })
  await server.logs.line('begun', { token: 'a' })
  const lines = await read(server, '/v1/services/gate/logs')
  const begun = lines.find(({ msg }) => msg === 'begun')
  t.match(begun, {
    id: /^[0-9a-f]{10}-\d+$/,
    time: /^\d{4}-.*Z$/,
    level: 'info',
    service: 'gate',
    thread: Number,
    jobId: job.id,
    method: 'hold',
    attempt: 1,
    traceId: '0af7651916cd43dd8448eb211c80319c',
    token: 'a',
  })
  t.same(await read(server, `/v1/jobs/${job.id}/logs`), [begun])
  t.same(await read(server, `/v1/jobs/${job.id}/logs?attempt=2`), [])
  t.same(await read(server, '/v1/services/echo/logs?search=begun'), [])
  const all = await read(server, '/v1/logs?tail=1000')
  t.ok(
    all.some(
      ({ msg, service }) => service === undefined && /the journal is open|jobs are kept in a database/.test(msg),
    ),
    'and the server itself',
  )
  t.ok(all.some(({ id }) => id === begun?.id))
  isProblem(t, await server.get('/v1/services/nobody/logs'), 'SERVICE_NOT_FOUND')
  isProblem(t, await server.get('/v1/services/gate/logs?level=loud'), 'MALFORMED_QUERY')
  isProblem(t, await server.get('/v1/jobs/none/logs'), 'JOB_NOT_FOUND')
})

t.test('the last lines of a failed attempt are kept with its job, over a restart of the server too', async (t) => {
  const first = await serve(t, { services: { logs: 'logs' } })
  const { json: job } = await first.cast('logs', 'fails', 100, '?maxAttempts=2')
  t.match(await first.finished(job.id), { state: 'failed', attempts: 2 })
  const all = await read(first, `/v1/jobs/${job.id}/logs`)
  t.equal(all.length, 201, 'while the log has all its lines, all are shown, and none twice')
  t.match(all[200], { level: 'error', msg: 'a cast failed' })
  await first.call('logs', 'flood', 'x'.repeat(1_000))
  await becomes('the log to have dropped the lines', async () => {
    const [oldest] = await read(first, '/v1/services/logs/logs?tail=10000')
    return Number(oldest?.id.split('-')[1]) > Number(all.at(-1)?.id.split('-')[1])
  })
  const last = [...all.slice(36, 100), ...all.slice(136, 200)]
  t.same(await read(first, `/v1/jobs/${job.id}/logs`), last)
  await first.close()

  const second = await serve(t, { services: {}, folder: first.folder })
  t.same(await read(second, `/v1/jobs/${job.id}/logs`), last)
  t.same(await read(second, `/v1/jobs/${job.id}/logs?attempt=2`), last.slice(64))
  const { text } = await second.get(`/v1/jobs/${job.id}/logs`, { headers: { accept: 'text/event-stream' } })
  t.equal(text.split(`id: ${last[0]?.id}\n`).length, 2)
  t.equal((await second.delete(`/v1/jobs/${job.id}`)).status, 204)
  isProblem(t, await second.get(`/v1/jobs/${job.id}/logs`), 'JOB_NOT_FOUND')
})

t.test('filters, and what is kept over a crash', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  await server.post('/v1/services/gate/crash', {})
  await server.reaches('gate', 'running')
  const warnings = await read(server, '/v1/services/gate/logs?level=warn')
  t.ok(warnings.length > 0)
  t.ok(warnings.every(({ level }) => ['warn', 'error', 'fatal'].includes(String(level))))
  t.match(await read(server, '/v1/services/gate/logs?search=gate%20crashed'), [
    { level: 'fatal', err: { message: String } },
  ])
  const [last] = await read(server, '/v1/services/gate/logs?tail=1')
  t.same(
    await read(server, '/v1/services/gate/logs', { 'last-event-id': String(last?.id) }),
    [],
    'nothing came after it',
  )
  t.same(await read(server, `/v1/services/gate/logs?since=${encodeURIComponent('2099-01-01T00:00:00Z')}`), [])
})

t.test('a client that follows gets the lines to come, and is told when the service is deleted', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  const stream = await follow(t, server, '/v1/services/gate/logs?follow=true&tail=0')
  void server.call('gate', 'hold', { token: 'b' })
  await becomes('the line', () => stream.lines.some(({ msg, token }) => msg === 'begun' && token === 'b'))
  await server.delete('/v1/services/gate')
  await within(stream.ended, 'the end')
  t.match(stream.lines.at(-1), { type: 'end', reason: 'removed' })
})

t.test('the level of a service can be changed while it runs', async (t) => {
  const server = await serve(t, { services: { echo: 'speaks' } })
  const messages = async () => (await read(server, '/v1/services/echo/logs')).map(({ msg }) => msg)
  const says = async (level: string | null, msg: string) => {
    await server.request('PATCH', '/v1/services/echo', { json: { logLevel: level } })
    await server.call('echo', 'debug', `${msg} debug`)
    await server.call('echo', 'info', `${msg} info`)
    await server.call('echo', 'error', `${msg} error`)
    await becomes('its last line', async () => (await messages()).includes(`${msg} error`))
  }
  await says(null, 'first')
  await says('debug', 'second')
  await says('error', 'third')
  const own = (await messages()).filter((msg) => /^(first|second|third) /.test(msg))
  t.strictSame(own, ['first info', 'first error', 'second debug', 'second info', 'second error', 'third error'])
})

t.test('a client that comes back is told what is not kept any more', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  const [first] = await read(server, '/v1/services/gate/logs?tail=0')
  t.equal(first, undefined)
  const { log } = server.server
  for (let count = 0; count < 2_100; count += 1) log.info({ service: 'gate' }, `line ${count}`)
  const lines = await read(server, '/v1/services/gate/logs?tail=5000')
  t.equal(lines.length, 2_000)
  const boot = lines[0]?.id.split('-')[0]
  const [gap, ...others] = await read(server, '/v1/services/gate/logs', { 'last-event-id': `${boot}-1` })
  t.match(gap, { type: 'gap', reason: 'ring', lost: Number })
  t.equal(others.length, 2_000)
  t.match(await read(server, '/v1/services/gate/logs?tail=1', { 'last-event-id': '0000000000-1' }), [
    { type: 'gap', reason: 'restart', lost: null },
  ])
})

t.test('a client that follows gets all kept lines first, however much they are', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  const { log } = server.server
  // More than a client may leave unread.
  const services = ['a', 'b', 'c', 'd']
  for (const service of services)
    for (let at = 0; at < 20; at += 1) log.info({ service, text: 'x'.repeat(24_000) }, 'long')
  const stream = await follow(t, server, '/v1/logs?follow=true&tail=10000')
  await becomes('the kept lines', () => stream.lines.filter(({ msg }) => msg === 'long').length === 80)
  log.info({ service: 'a' }, 'a new line')
  await stream.has(({ msg }) => msg === 'a new line')
})

t.test('a line that is too long is kept as JSON, with the beginning of its message', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  server.server.log.info({ service: 'gate', text: 'x'.repeat(40_000) }, '"'.repeat(40_000))
  const [line] = await read(server, '/v1/services/gate/logs?tail=1')
  t.match(line, { level: 'info', service: 'gate', msg: '"'.repeat(2_000), text: undefined })
})
