/** The listener for nodes: who may use it, and what it believes. */
import t from 'tap'
import { isProblem, request, serve } from '../http-helper.ts'
import { serveNode } from './nodes.ts'

t.test('only who shows the token of the node is served', async (t) => {
  const node = await serveNode(t, 'node', { services: { echo: 'echo' } })
  const call = (headers: Record<string, string>, path = '/v1/services/echo/call/any') =>
    request(node.nodePort, 'POST', path, { json: { a: 1 }, headers })
  const { token } = node.peer
  isProblem(t, await call({}), 'UNAUTHORIZED')
  isProblem(t, await call({ 'x-threadplane-node': 'guess' }), 'UNAUTHORIZED')
  isProblem(t, await call({ 'x-threadplane-node': `${token}x` }), 'UNAUTHORIZED')
  isProblem(t, await call({ authorization: `Bearer ${token}` }), 'UNAUTHORIZED')
  isProblem(t, await call({}, '/livez'), 'UNAUTHORIZED')
  isProblem(t, await call({}, '/absent'), 'UNAUTHORIZED')
  t.strictSame((await call({ 'x-threadplane-node': token })).json, { a: 1 })
  isProblem(t, await call({ 'x-threadplane-node': token }, '/absent'), 'ROUTE_NOT_FOUND')
  const elsewhere = await node.call('echo', 'any', { a: 1 }, { headers: { 'x-threadplane-node': 'guess' } })
  t.equal(elsewhere.status, 200, 'the listener for clients does not read it')
  const { json } = await node.get('/v1/audit')
  t.match(json.items[0], { outcome: 'refused', code: 'UNAUTHORIZED', via: 'none' })
})

t.test('without a cluster there is no listener for nodes', async (t) => {
  const { server } = await serve(t, { services: {} })
  t.equal(server.nodeApp, undefined)
})

t.test('what the first node says of the caller counts', async (t) => {
  const node = await serveNode(t, 'node', { services: { echo: 'echo' } })
  const as = (more: Record<string, string>) =>
    request(node.nodePort, 'POST', '/v1/services/absent/call/any', {
      json: {},
      headers: { 'x-threadplane-node': node.peer.token, ...more },
    })
  const narrow = await as({ 'x-threadplane-caller': 'shop', 'x-threadplane-scopes': 'enqueue:absent' })
  isProblem(t, narrow, 'SERVICE_NOT_FOUND')
  t.notMatch(narrow.json.detail, /echo/, 'its token does not see the names of other services')
  t.match((await as({})).json.detail, /echo/)
})
