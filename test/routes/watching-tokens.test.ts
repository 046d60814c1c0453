/** What tokens see of events and of the log, and that a stream ends with its token. */
import t from 'tap'
import { TokensRig } from '../auth/tokens-rig.ts'
import { becomes, isProblem, serve, within } from '../http-helper.ts'
import { LineStream } from '../line-stream.ts'

const rig = new TokensRig(t)
await rig.add('admin', ['admin'])
await rig.add('reader', ['read:echo'])
await rig.add('logger', ['logs:echo'])
const server = await serve(t, { services: { echo: 'echo', other: 'echo' }, tokens: await rig.open() })

interface Line {
  type?: string
  service?: string
  services?: { name: string }[]
  line?: { service?: string }
}

const follow = (path: string, id: string) => LineStream.open<Line>(t, server, path, rig.bearer(id))

const restart = async (service: string) =>
  server.post(`/v1/services/${service}/restart`, undefined, { headers: rig.bearer('admin') })

t.test('a token for one service receives the events of that service only', async (t) => {
  const stream = await follow('/v1/events?snapshot=true&type=*', 'reader')
  const all = await follow('/v1/events?type=*', 'admin')
  await restart('other')
  await restart('echo')
  const isBack = (service: string) => (one: Line) => one.type === 'thread.started' && one.service === service
  await becomes('both restarts to be told', () => all.lines.some(isBack('echo')) && all.lines.some(isBack('other')))
  await becomes('its own restart to be told', () => stream.lines.some(isBack('echo')))
  t.match(stream.lines[1], { type: 'snapshot', services: [{ name: 'echo' }] })
  t.equal(stream.lines[1]?.services?.length, 1)
  t.notOk(stream.lines.some(({ service }) => service === 'other'))
  t.notOk(
    stream.lines.some(({ type }) => type === 'log'),
    'and no line of the log',
  )
  await server.post('/v1/services/other/crash', {}, { headers: rig.bearer('admin') })
  await becomes('a line of the log', () => all.lines.some(({ type }) => type === 'log'))
})

t.test('an event names the token that asked for it, and none where a supervisor acts', async (t) => {
  const stream = await LineStream.open<Record<string, unknown>>(t, server, '/v1/events', rig.bearer('admin'))
  const as = (id: string) => ({ headers: rig.bearer(id) })
  const path = '/v1/services/mine'
  await server.request('PUT', path, { json: { module: 'echo.js' }, ...as('admin') })
  await server.post(`${path}/pause`, undefined, as('admin'))
  await server.post(`${path}/resume`, undefined, as('admin'))
  await server.post(`${path}/crash`, {}, as('admin'))
  const states = () => stream.lines.filter(({ type, service }) => type === 'service.state' && service === 'mine')
  await becomes('the restart to be told', () => states().at(-1)?.from === 'starting' && states().length > 4)
  await server.post(`${path}/restart`, undefined, as('admin'))
  await server.request('DELETE', path, as('admin'))
  const removed = await stream.has(({ type }) => type === 'service.removed')
  t.match(removed, { service: 'mine', by: 'admin' })
  t.match(
    stream.lines.find(({ type }) => type === 'service.registered'),
    { service: 'mine', by: 'admin' },
  )
  t.strictSame(
    states().map(({ state, by }) => [state, by]),
    [
      ['starting', 'admin'],
      ['running', 'admin'],
      ['paused', 'admin'],
      ['running', 'admin'],
      ['backoff', null],
      ['starting', null],
      ['running', null],
      ['stopping', 'admin'],
      ['stopped', 'admin'],
      ['starting', 'admin'],
      ['running', 'admin'],
      ['stopping', 'admin'],
      ['stopped', 'admin'],
    ],
  )
})

t.test('the log of a service is for those who may read it', async (t) => {
  const as = (id: string) => ({ headers: rig.bearer(id) })
  t.equal((await server.get('/v1/services/echo/logs', as('logger'))).status, 200)
  isProblem(t, await server.get('/v1/services/other/logs', as('logger')), 'SERVICE_NOT_FOUND')
  isProblem(t, await server.get('/v1/services/echo/logs', as('reader')), 'FORBIDDEN')
  const lines = (await server.get('/v1/logs?tail=1000', as('logger'))).text.split('\n').filter(Boolean)
  t.ok(lines.every((line) => (JSON.parse(line) as Line).service === 'echo'))
  const events = await follow('/v1/events?type=log', 'logger')
  await restart('echo')
  await server.post('/v1/services/echo/crash', {}, { headers: rig.bearer('admin') })
  await becomes('a line', () => events.lines.some(({ line }) => line?.service === 'echo'))
})

t.test('a stream ends when its token is revoked', async (t) => {
  const streams = [await follow('/v1/events', 'reader'), await follow('/v1/services/echo/logs?follow=true', 'logger')]
  await rig.revoke('reader')
  await rig.revoke('logger')
  for (const { ended } of streams) await within(ended, 'the end of the stream')
  t.pass('both have ended')
})
