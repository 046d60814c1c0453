/** The nodes of a cluster as clients see them, and how one is taken out of service. */
import t from 'tap'
import { becomes, isProblem, openGate, serve, type TestServer } from '../http-helper.ts'
import { Members } from './members.ts'
import { noPostgres } from './postgres.ts'

const options = { skip: noPostgres }

interface NodeBody {
  name: string
  self: boolean
  draining: boolean
  services: { name: string; state: string; differs: boolean; moduleHash: string }[]
}

const nodesOf = async (server: TestServer) => (await server.get('/v1/nodes')).json.items as NodeBody[]

t.test('a server that is alone is one node, which cannot be drained', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  const [node, ...others] = await nodesOf(server)
  t.strictSame(others, [])
  t.match(node, {
    id: String,
    url: null,
    self: true,
    draining: false,
    labels: {},
    services: [{ name: 'echo', state: 'running', threads: 1, moduleHash: String, differs: false }],
  })
  isProblem(t, await server.post(`/v1/nodes/${node?.name}/drain`), 'CONFLICT')
  isProblem(t, await server.post('/v1/nodes/none/drain'), 'NODE_NOT_FOUND')
})

t.test('each node lists all, with what they run, and with a difference of their code', options, async (t) => {
  const members = await Members.start(t)
  const a = await members.join('a', { labels: { zone: 'x' } })
  const b = await members.join('b', { services: { echo: 'naps' } })
  await becomes('a to know what b runs', async () =>
    (await nodesOf(a)).every(({ services }) => services.some(({ state, differs }) => state === 'running' && differs)),
  )
  const seen = await nodesOf(a)
  t.match(seen, [
    { id: a.identity.id, name: 'a', url: a.identity.url, self: true, labels: { zone: 'x' } },
    { id: b.identity.id, name: 'b', url: b.identity.url, self: false, version: /./, startedAt: /^\d{4}-.*Z$/ },
  ])
  t.not(seen[0]?.services[0]?.moduleHash, seen[1]?.services[0]?.moduleHash)
  t.notMatch(JSON.stringify(seen), new RegExp(`${a.identity.token}|${b.identity.token}`))
  isProblem(t, await a.post('/v1/nodes/c/drain'), 'NODE_NOT_FOUND', { detail: /there are: a, b/ })
})

t.test('a node that is drained gives its jobs and calls to the others', options, async (t) => {
  const members = await Members.start(t)
  const services = { gate: 'gate', echo: 'echo' }
  const b = await members.join('b', { services })
  // Alone it begins as many as it has workers, and hands the others on to its thread.
  const tokens = Array.from({ length: 10 }, (_, at) => `drained ${at}`)
  const ids: string[] = []
  for (const token of tokens) ids.push((await b.cast('gate', 'hold', { token })).json.id)
  await b.running('gate', 8)
  const a = await members.join('a', { services })
  await becomes('a to know b', async () => (await nodesOf(a)).length === 2)

  t.match((await a.post('/v1/nodes/b/drain')).json, { name: 'b', id: b.identity.id, draining: true })
  t.equal((await a.post('/v1/nodes/b/drain')).status, 200, 'again')
  t.equal((await b.get('/readyz')).status, 503)
  t.match((await b.get('/readyz?verbose')).json.checks, [
    { name: 'open', ok: true },
    { name: 'startedUp', ok: true },
    { name: 'takesWork', ok: false },
  ])
  t.equal((await a.get('/readyz')).status, 200)
  await a.running('gate', 2)
  t.equal(b.service('gate').running, 8, 'what has begun goes on')
  const started = b.service('echo').counter.counts.calls
  await becomes(
    'b to know that a runs echo',
    () => b.server.membership?.peers[0]?.load.get('echo')?.state === 'running',
  )
  t.equal((await b.call('echo', 'any', 'x')).status, 200)
  t.equal(b.service('echo').counter.counts.calls, started, 'its calls run on a')
  t.equal((await b.cast('gate', 'hold', { token: 'drained later' })).status, 202)
  await a.running('gate', 3)
  for (const token of [...tokens, 'drained later']) openGate(token)
  for (const id of ids) t.equal((await b.finished(id)).state, 'succeeded')

  a.server.prepareToClose()
  t.match((await a.get('/readyz?verbose')).json.checks, [{ name: 'open', ok: false }])
  t.equal((await a.call('echo', 'any', 'x')).status, 200, 'it serves')
  const text = await a.raw('GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  t.match(text, /^HTTP\/1\.1 200 [^]*connection: close/i, 'and closes the connection behind its answer')
  t.equal((await a.cast('gate', 'hold', { token: 'for another node' })).status, 202)
  await becomes('all to know', async () => (await nodesOf(a)).some(({ name, draining }) => name === 'b' && draining))
})
