/** The streams of events and of the log have what happens on all nodes, whichever node a client asks. */
import t, { type Test } from 'tap'
import { TokensRig } from '../auth/tokens-rig.ts'
import { becomes, openGate, type TestServer, within } from '../http-helper.ts'
import { LineStream } from '../line-stream.ts'
import { Members } from './members.ts'
import { noPostgres } from './postgres.ts'

interface Event extends Record<string, unknown> {
  id: string
  type: string
  at: string
  node?: string
  service?: string
  reason?: string
}

interface Line extends Record<string, unknown> {
  id: string
  msg: string
  node: string
}

const options = { skip: noPostgres }
const follow = (t: Test, server: TestServer, query = '', headers = {}) =>
  LineStream.open<Event>(t, server, `/v1/events${query}`, headers)
const know = (server: TestServer, count: number) =>
  becomes('the others to be known', () => server.server.membership?.peers.length === count)
const ended = (stream: LineStream<Event>, node: string) =>
  stream.has((event) => event.type === 'thread.ended' && event.node === node)

t.test('events of all nodes are on one stream, each with its node, and no id comes twice', options, async (t) => {
  const members = await Members.start(t)
  const services = { echo: 'echo', gate: 'gate', faults: 'faults' }
  const a = await members.join('a', { services })
  const b = await members.join('b', { services })
  await know(a, 1)
  await know(b, 1)
  const [onA, onB] = [await follow(t, a), await follow(t, b)]
  await a.post('/v1/services/echo/restart')
  for (const stream of [onA, onB]) for (const node of ['a', 'b']) await ended(stream, node)
  for (const { lines } of [onA, onB]) {
    const ids = lines.map(({ id, type }) => (type === 'hello' ? '' : id)).filter((id) => id !== '')
    t.equal(new Set(ids).size, ids.length, 'ids do not collide')
    const told = lines.filter(({ type, node }) => type === 'thread.ended' && node === 'b')
    t.equal(told.length, 1, 'each event once')
  }

  await t.test('jobs are followed on the node where they run', async (t) => {
    const stream = await follow(t, a, '?type=job.*&service=gate')
    const { json: job } = await b.cast('gate', 'progress', { token: 'seen' })
    const of = (type: string) =>
      stream.has((event) => event.type === type && (event.job as { id: string }).id === job.id)
    await of('job.accepted')
    await of('job.progress')
    openGate('seen')
    t.match(await of('job.succeeded'), { node: /^[ab]$/ })
    stream.request.destroy()
  })

  await t.test('a client that comes back to the same node goes on, without a gap', async (t) => {
    const last = onA.lines.at(-1) as Event
    onA.request.destroy()
    await b.post('/v1/services/gate/pause')
    const again = await follow(t, a, '', { 'last-event-id': last.id })
    const paused = (node: string) =>
      again.has((event) => event.type === 'service.state' && event.state === 'paused' && event.node === node)
    await paused('a')
    await paused('b')
    t.notOk(
      again.lines.some(({ type }) => type === 'gap'),
      'nothing is missing',
    )
    await b.post('/v1/services/gate/resume')
    for (const node of ['a', 'b']) await again.has((event) => event.state === 'running' && event.node === node)
    again.request.destroy()
  })

  await t.test('a client that comes to another node goes on where it was, too', async (t) => {
    const begun = await follow(t, a)
    await begun.has(({ type }) => type === 'hello')
    const { id } = begun.lines.at(-1) as Event
    begun.request.destroy()
    await b.post('/v1/services/gate/pause')
    const other = await follow(t, b, '', { 'last-event-id': id })
    t.match(other.response.headers['content-type'], /^application\/x-ndjson/)
    for (const node of ['a', 'b']) await other.has((event) => event.state === 'paused' && event.node === node)
    await b.post('/v1/services/gate/resume')
    for (const node of ['a', 'b']) await other.has((event) => event.state === 'running' && event.node === node)
    t.notOk(
      other.lines.some(({ type }) => type === 'gap'),
      'nothing is missing',
    )
    const states = other.lines.filter(({ type }) => type === 'service.state').map(({ state }) => String(state))
    t.strictSame(states.toSorted(), ['paused', 'paused', 'running', 'running'], 'and nothing comes twice')
    const path = `/v1/events?after=${id}&type=service.state`
    const { json } = await b.get(path, { headers: { accept: 'application/json' } })
    t.equal((json.items as Event[]).length, 4, 'a list as well')
    other.request.destroy()
  })

  await t.test('what is kept on all nodes is listed', async (t) => {
    const { json } = await a.get('/v1/events?type=thread.ended', { headers: { accept: 'application/json' } })
    const nodes = (json.items as Event[]).map(({ node }) => node)
    t.ok(nodes.includes('a') && nodes.includes('b'), nodes.join())
    const times = (json.items as Event[]).map(({ at }) => at)
    t.strictSame(times, [...times].sort())
  })

  await t.test('numbers and the present state are those of all', async (t) => {
    const stream = await follow(t, b, '?type=stats&snapshot=true&service=echo')
    const { services: shown } = (await stream.has(({ type }) => type === 'snapshot')) as unknown as {
      services: { threads: { wanted: number } }[]
    }
    t.equal(shown[0]?.threads.wanted, 2)
    await stream.has(({ type, services }) => type === 'stats' && (services as object | undefined) !== undefined)
    stream.request.destroy()
  })

  await t.test('a node that comes is heard from its start on; one that leaves says so', async (t) => {
    const stream = await follow(t, b)
    const c = await members.join('c', { services })
    await stream.has((event) => event.type === 'thread.started' && event.node === 'c')
    const onC = await follow(t, c)
    const { id } = await onC.has(({ type }) => type === 'hello')
    const begunOnC = await follow(t, b, `?after=${id}`)
    const begunOnB = await follow(t, c, `?after=${stream.lines[0]?.id}`)
    await c.close()
    await begunOnB.ended
    await stream.has((event) => event.type === 'server.closing' && event.node === 'c')
    stream.request.destroy()
    await begunOnC.ended
    t.match(
      begunOnC.lines.at(-1),
      { type: 'service.state', state: 'stopped' },
      'its stream on another node ends with it',
    )
    const after = await follow(t, b, `?after=${id}`)
    t.match(await after.has(({ type }) => type === 'gap'), { reason: 'node', from: id, lost: null })
    after.request.destroy()
  })
})

t.test('lines of the log of all nodes: the last ones, and those to come', options, async (t) => {
  const members = await Members.start(t)
  const services = { speaks: 'speaks', gate: 'gate' }
  const a = await members.join('a', { services })
  const b = await members.join('b', { services })
  await know(a, 1)
  await know(b, 1)
  a.server.log.info({ service: 'gate' }, 'of a')
  b.server.log.info({ service: 'gate' }, 'of b')
  const kept = async (server: TestServer) =>
    (await server.get('/v1/services/gate/logs')).text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line)
  const messages = (lines: Line[]) =>
    lines.filter(({ msg }) => /^of [ab]/.test(msg)).map(({ msg, node }) => `${msg} ${node}`)
  for (const server of [a, b]) {
    await becomes('both to be there', async () => messages(await kept(server)).length === 2)
    t.strictSame(messages(await kept(server)).sort(), ['of a a', 'of b b'])
  }
  const stream = await LineStream.open<Line>(t, a, '/v1/services/gate/logs?follow=true')
  b.server.log.info({ service: 'gate' }, 'of b, later')
  a.server.log.info({ service: 'gate' }, 'of a, later')
  await stream.has(({ msg, node }) => msg === 'of b, later' && node === 'b')
  await stream.has(({ msg, node }) => msg === 'of a, later' && node === 'a')
  t.strictSame(messages(stream.lines).sort(), ['of a a', 'of a, later a', 'of b b', 'of b, later b'])
  const last = stream.lines.at(-1) as Line
  stream.request.destroy()
  b.server.log.info({ service: 'gate' }, 'of b, unseen')
  const again = await LineStream.open<Line>(t, a, '/v1/services/gate/logs?follow=true', { 'last-event-id': last.id })
  await again.has(({ msg }) => msg === 'of b, unseen')
  t.equal(messages(again.lines).length, 1)
  again.request.destroy()
  const [newest] = await kept(a).then((lines) => lines.slice(-1))
  for (const server of [a, b]) {
    for (const to of [a, b]) to.server.log.info({ service: 'gate' }, `of ${to === a ? 'a' : 'b'}, last, ${server.port}`)
    const { text } = await server.get('/v1/services/gate/logs', { headers: { 'last-event-id': newest?.id ?? '' } })
    t.match(text, `of a, last, ${server.port}`, 'without following it as well: of both nodes')
    t.match(text, `of b, last, ${server.port}`)
    t.notMatch(text, /unseen|"gap"/, 'and nothing before it')
  }
})

t.test('a stream that another node goes on with shows what its token may see, and ends with it', options, async (t) => {
  const rig = new TokensRig(t)
  await rig.add('admin', ['admin'])
  await rig.add('reader', ['read:echo'])
  const members = await Members.start(t)
  const services = { echo: 'echo', gate: 'gate' }
  const a = await members.join('a', { services, tokens: await rig.open() })
  const b = await members.join('b', { services, tokens: await rig.open() })
  await know(a, 1)
  await know(b, 1)
  const onA = await follow(t, a, '', rig.bearer('reader'))
  const { id } = await onA.has(({ type }) => type === 'hello')
  const onB = await follow(t, b, `?after=${id}`, rig.bearer('reader'))
  const as = { headers: rig.bearer('admin') }
  for (const name of ['gate', 'echo']) await a.post(`/v1/services/${name}/restart`, undefined, as)
  for (const node of ['a', 'b']) await onB.has((event) => event.type === 'thread.ended' && event.node === node)
  t.notOk(onB.lines.some(({ service }) => service === 'gate'))
  await rig.revoke('reader')
  await within(onB.ended, 'the end of the stream with its token')
})
