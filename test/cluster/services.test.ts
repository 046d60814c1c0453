/** Services of a cluster as clients see them, whichever node they ask: one service, with the threads of all nodes. */
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { becomes, isProblem, type TestServer } from '../http-helper.ts'
import { Members } from './members.ts'
import { noPostgres } from './postgres.ts'

interface NodeOfService {
  name: string
  self: boolean
  state: string
  threads: number
  differs: boolean
  answered: boolean
}

const options = { skip: noPostgres }

/** Waits until each server knows the others, and that they run the service. */
async function know(servers: TestServer[], service: string): Promise<void> {
  for (const { server } of servers) {
    await becomes('all to know all', () => {
      const peers = server.membership?.peers ?? []
      return peers.length === servers.length - 1 && peers.every(({ load }) => load.get(service)?.state === 'running')
    })
  }
}

t.test('a status has the threads, the queue and the counts of all nodes', options, async (t) => {
  const members = await Members.start(t)
  const a = await members.join('a')
  const b = await members.join('b')
  await know([a, b], 'echo')
  await a.call('echo', 'any', 1)
  await b.call('echo', 'any', 2)
  for (const [asked, other] of [
    [a, 'b'],
    [b, 'a'],
  ] as const) {
    // The first answer of a node may take longer than it is waited for.
    const answered = (nodes: NodeOfService[]) => nodes.every((node) => node.answered)
    await becomes('all to answer', async () => answered((await asked.get('/v1/services')).json.items[0].nodes))
    await becomes('all to answer', async () => answered((await asked.status('echo')).nodes))
    const status = await asked.status('echo')
    t.match(status, { state: 'running', counts: { calls: 2, succeeded: 2 }, threads: [{ node: 'a' }, { node: 'b' }] })
    t.equal(status.threads.length, 2)
    const nodes = status.nodes as NodeOfService[]
    t.strictSame(
      nodes.map(({ name, self, state, threads, differs, answered }) => [name, self, state, threads, differs, answered]),
      [
        ['a', other === 'b', 'running', 1, false, true],
        ['b', other === 'a', 'running', 1, false, true],
      ],
    )
    t.match((await asked.get('/v1/services')).json.items, [
      { name: 'echo', counts: { calls: 2 }, nodes: [{ name: 'a' }, { name: 'b' }] },
    ])
    const summaries = async () => (await asked.get('/v1/services?view=summary')).json.items
    await becomes('all to answer', async () => (await summaries())[0].counts.calls === 2)
    t.match(await summaries(), [
      { name: 'echo', state: 'running', threads: { ready: 2, wanted: 2 }, counts: { calls: 2 } },
    ])
  }
})

t.test('what a client asks of one node is done by all when it is answered', options, async (t) => {
  const members = await Members.start(t)
  const a = await members.join('a')
  const b = await members.join('b')
  const c = await members.join('c')
  await know([a, b, c], 'echo')
  const states = () => [a, b, c].map(({ server }) => server.registry.find('echo')?.state)
  t.match((await a.post('/v1/services/echo/stop')).json, { state: 'stopped', changed: true })
  t.strictSame(states(), ['stopped', 'stopped', 'stopped'])
  isProblem(t, await b.call('echo', 'any', 1), 'SERVICE_NOT_RUNNING')
  t.match((await b.post('/v1/services/echo/start')).json, { state: 'running', changed: true })
  t.strictSame(states(), ['running', 'running', 'running'])
  t.match((await c.post('/v1/services/echo/pause')).json, { state: 'paused', changed: true })
  t.strictSame(states(), ['paused', 'paused', 'paused'])
  t.match((await b.post('/v1/services/echo/pause')).json, { state: 'paused', changed: false })
  t.match((await a.post('/v1/services/echo/resume')).json, { state: 'running', changed: true })
  t.strictSame(states(), ['running', 'running', 'running'])
  t.equal((await c.put('more', { module: 'echo.js' })).status, 201)
  for (const server of [a, b, c]) t.equal(server.service('more').state, 'running')
  t.equal((await b.request('PATCH', '/v1/services/more', { json: { threads: 2 } })).status, 200)
  for (const server of [a, b, c]) t.equal(server.service('more').threads.length, 2)
  t.equal((await a.delete('/v1/services/more')).status, 204)
  for (const server of [a, b, c]) isProblem(t, await server.get('/v1/services/more'), 'SERVICE_NOT_FOUND')

  const before = [a, b, c].map((server) => server.service('echo').threads[0]?.threadId)
  t.match((await b.post('/v1/services/echo/restart')).json, { state: 'running', changed: true })
  for (const [at, server] of [a, b, c].entries())
    t.not(server.service('echo').threads[0]?.threadId, before[at], 'a new thread')
  const { json: crashed } = await a.post('/v1/services/echo/crash', { kind: 'exit' })
  t.match(crashed, { changed: true })
  for (const server of [a, b, c]) await server.restarted('echo', 1)
  const { json: stacks } = await c.get('/v1/services/echo/stack')
  t.strictSame(stacks.items.map(({ node }: { node: string }) => node).sort(), ['a', 'b', 'c'])
})

t.test('a reload goes from node to node, and ends at one that fails', options, async (t) => {
  const members = await Members.start(t)
  const a = await members.join('a', { services: { echo: 'naps' } })
  const b = await members.join('b', { services: { echo: 'naps' } })
  await know([a, b], 'echo')
  const threads = () => [a, b].map((server) => server.service('echo').threads[0]?.threadId)
  const before = threads()
  t.equal((await b.post('/v1/services/echo/reload')).status, 200)
  t.notSame(threads(), before)
  writeFileSync(`${b.workers}/echo.js`, 'export default 1')
  const failed = await a.post('/v1/services/echo/reload')
  isProblem(t, failed, 'START_FAILED', { detail: /the node b: .*Nodes that were done before: a; not done: none/ })
  t.match(await a.status('echo'), { state: 'running' }, 'it runs on both')
})

t.test('a service that is placed on one node is seen, and profiled, through the other', options, async (t) => {
  const members = await Members.start(t)
  const a = await members.join('a', { labels: { zone: 'x' } })
  const b = await members.join('b')
  await know([a, b], 'echo')
  const patched = await b.request('PATCH', '/v1/services/echo', { json: { placement: { labels: { zone: 'x' } } } })
  t.match(patched, { status: 200, json: { state: 'running', threads: [{ node: 'a' }] } })
  await becomes('b to know that only a runs it', () => b.service('echo').state === 'stopped')
  // Until then a sends calls that it cannot take to b, and b refuses them as one that has stopped.
  await becomes('a to know that b does not run it', () =>
    (a.server.membership?.peers ?? []).every(({ load }) => load.get('echo')?.state !== 'running'),
  )
  for (const server of [a, b]) {
    const status = await server.status('echo')
    t.match(status, {
      state: 'running',
      desiredState: 'running',
      nodes: [
        { name: 'a', state: 'running', threads: 1 },
        { name: 'b', state: 'stopped', threads: 0 },
      ],
    })
    t.equal(status.threads.length, 1)
  }
  const act = async (server: TestServer, action: string) => (await server.post(`/v1/services/echo/${action}`)).json
  for (const [action, state] of [
    ['start', 'running'],
    ['pause', 'paused'],
    ['resume', 'running'],
    ['stop', 'stopped'],
    ['start', 'running'],
  ] as const) {
    const changed = action !== 'start' || (await a.status('echo')).state === 'stopped'
    t.match(await act(b, action), { state, changed }, `${action} at the node that does not run it`)
    t.equal(a.service('echo').state, state)
    t.match(await act(a, action), { state, changed: false })
    t.match(await act(b, action), { state, changed: false })
    if (state === 'running') continue
    const detail = `echo is ${state}`
    for (const server of [a, b]) isProblem(t, await server.call('echo', 'any', 1), 'SERVICE_NOT_RUNNING', { detail })
  }
  await act(b, 'stop')
  isProblem(t, await b.post('/v1/services/echo/pause'), 'CONFLICT', { detail: /^echo is stopped: only/ })
  const started = await Promise.all([a, b, b].map((server) => act(server, 'start')))
  t.equal(started.filter(({ changed }) => changed).length, 1, 'of several at the same time, one has changed it')
  const profile = await b.post('/v1/services/echo/profile', { kind: 'cpu', seconds: 1 })
  t.match(profile, { status: 200, headers: { 'content-disposition': /echo-\d+\.cpuprofile/ }, json: { nodes: Array } })
  isProblem(t, await b.post('/v1/services/echo/profile', { kind: 'cpu', seconds: 1, node: 'c' }), 'NODE_NOT_FOUND')
})
