/** Tokens are checked on the node that a client asks. Other nodes are told who calls, and nothing that is secret. */
import t from 'tap'
import { TokensRig } from '../auth/tokens-rig.ts'
import { becomes, isProblem } from '../http-helper.ts'
import { serveNode } from './nodes.ts'

const rig = new TokensRig(t)
await rig.add('admin', ['admin'])
await rig.add('caller', ['enqueue:echo', 'enqueue:gone'])
await rig.add('reader', ['read:echo'])
await rig.add('slow', ['enqueue'], { rate: { requests: 1, perSeconds: 3_600 } })
const second = await serveNode(t, 'second', { services: { echo: 'echo' } })
const first = await serveNode(t, 'first', { services: {}, tokens: await rig.open() })
first.cluster.list(second.peer)

const call = (service: string, id: string) => first.call(service, 'any', { a: 1 }, { headers: rig.bearer(id) })
const calls = async () => (await second.status('echo')).counts.calls as number

t.test('what the token does not allow does not reach another node', async (t) => {
  const before = await calls()
  isProblem(t, await first.call('echo', 'any', {}), 'UNAUTHORIZED')
  isProblem(t, await call('echo', 'reader'), 'FORBIDDEN')
  t.equal(await calls(), before)
  t.strictSame((await call('echo', 'caller')).json, { a: 1 })
  t.equal(await calls(), before + 1)
})

t.test('the rate of a token counts on the first node, which says so in the answer of the other one', async (t) => {
  const answer = await call('echo', 'slow')
  t.match(answer, { status: 200, headers: { ratelimit: String, 'ratelimit-policy': String } })
  isProblem(t, await call('echo', 'slow'), 'QUOTA_EXCEEDED')
})

t.test('the other node shows the token what the token may see', async (t) => {
  const load = new Map([['gone', [...second.peer.load.values()][0]]]) as typeof second.peer.load
  first.cluster.list({ ...second.peer, load })
  const narrow = await call('gone', 'caller')
  isProblem(t, narrow, 'SERVICE_NOT_FOUND', { detail: 'there is no service "gone"' })
  t.match((await call('gone', 'admin')).json.detail, /there are: echo/)
})

t.test('a node that is not in the list any more gets no calls, and its idle connections are closed', async (t) => {
  first.cluster.list(second.peer)
  await call('echo', 'admin')
  first.cluster.list()
  isProblem(t, await call('echo', 'admin'), 'SERVICE_NOT_FOUND')
  await becomes('the connections to be closed', () => second.server.nodeApp?.clients.count === 0)
})
