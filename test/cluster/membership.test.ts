/** Several servers over one database: they know each other, and what is asked of one of them is done by all. */
import t from 'tap'
import { becomes, isProblem, type TestServer } from '../http-helper.ts'
import type { Peer } from '../../src/cluster/cluster.ts'
import { Members } from './members.ts'
import { noPostgres } from './postgres.ts'

const options = { skip: noPostgres }

/** Waits until a service is in a state on each server. */
async function all(servers: TestServer[], service: string, state: string | undefined): Promise<void> {
  for (const [index, { server }] of servers.entries())
    await becomes(`${service} to be ${state} on server ${index}`, () => server.registry.find(service)?.state === state)
}

type Step = readonly [asked: TestServer, operation: string, state: string]

/** Asks one server for each operation, such as `echo/pause`, and waits for the state of the service on all. */
async function follow(servers: TestServer[], steps: readonly Step[]): Promise<void> {
  for (const [asked, operation, state] of steps) {
    await asked.post(`/v1/services/${operation}`)
    await all(servers, operation.split('/')[0] as string, state)
  }
}

const patchOf = (server: TestServer, placement: object | null) =>
  server.request('PATCH', '/v1/services/echo', { json: { placement } })

const runs = ({ load }: Peer) => load.get('echo')?.state === 'running'

t.test('what a client asks of one node is done by all', options, async (t) => {
  const members = await Members.start(t)
  const services = { echo: 'echo', lazy: 'not-by-itself' }
  const [a, b, c] = [
    await members.join('a', { services }),
    await members.join('b', { services }),
    await members.join('c', { services }),
  ]
  const three = [a, b, c]
  t.strictSame(await members.names(), ['a', 'b', 'c'])

  await t.test('a service is registered, replaced and deleted', async (t) => {
    t.equal((await a.put('more', { module: 'echo.js' })).status, 201)
    await all(three, 'more', 'running')
    t.equal((await b.request('PATCH', '/v1/services/more', { json: { threads: 2 } })).status, 200)
    await c.threads('more', 2)
    await a.threads('more', 2)
    t.equal((await c.put('more', { module: 'lazy.js' })).status, 200)
    await becomes('the other module', () => a.service('more').module === 'lazy.js')
    t.equal((await b.delete('/v1/services/more')).status, 204)
    await all(three, 'more', undefined)
    t.equal((await b.delete('/v1/services/echo')).status, 204)
    await all(three, 'echo', undefined)
    t.equal((await c.put('echo', { module: 'echo.js' })).status, 201)
    await all(three, 'echo', 'running')
  })

  await t.test('it is stopped, started, paused and resumed', async () => {
    const steps = [
      [a, 'echo/pause', 'paused'],
      [b, 'echo/resume', 'running'],
      [c, 'echo/pause', 'paused'],
      [c, 'echo/stop', 'stopped'],
      [b, 'echo/start', 'running'],
      [a, 'lazy/start', 'running'],
      [a, 'echo/pause', 'paused'],
      [b, 'echo/restart', 'running'],
    ] as const
    await follow(three, steps)
  })

  await t.test('a service that cannot be loaded here shows why, and disturbs nothing', async (t) => {
    const only = await members.join('only', { services: { ...services, special: 'echo' } })
    await only.put('special', { module: 'special.js' })
    await all(three, 'special', 'failed')
    t.match(a.service('special').crashReason, { code: 'MODULE_REFUSED' })
    const { state, nodes } = await a.status('special')
    t.equal(state, 'running', 'as one node runs it')
    const states = new Map(nodes.map(({ name, state }: { name: string; state: string }) => [name, state]))
    t.strictSame(states, new Map(['a', 'b', 'c'].map((name) => [name, 'failed'])).set('only', 'running'))
    t.equal((await a.call('echo', 'any', 1)).status, 200)
    t.equal(only.service('special').state, 'running')
    await only.delete('/v1/services/special')
    await all(three, 'special', undefined)
    await only.close()
    t.strictSame(await members.names(), ['a', 'b', 'c'], 'a node that stops removes its row')
  })

  await t.test('schedules are known to all', async (t) => {
    const path = '/v1/services/echo/schedules/yearly'
    const schedule = { cron: '0 0 1 1 *', method: 'any', payload: 1 }
    t.equal((await a.request('PUT', path, { json: schedule })).status, 201)
    t.equal((await c.get(path)).status, 200)
    t.equal((await b.delete(path)).status, 204)
    t.equal((await c.get(path)).status, 404)
  })
})

t.test('without hints the nodes find out by themselves', options, async (t) => {
  const members = await Members.start(t)
  const a = await members.join('a', { hints: false })
  const b = await members.join('b', { hints: false })
  const both = [a, b]
  t.equal((await a.put('more', { module: 'echo.js', autostart: false })).status, 201)
  await all(both, 'more', 'stopped')
  const steps = [
    [b, 'more/start', 'running'],
    [a, 'more/pause', 'paused'],
  ] as const
  await follow(both, steps)
  t.equal((await b.delete('/v1/services/more')).status, 204)
  await all(both, 'more', undefined)
})

t.test('a node that joins later finds what is paused and stopped', options, async (t) => {
  const members = await Members.start(t)
  const services = { echo: 'echo', gate: 'gate' }
  const a = await members.join('a', { services })
  await a.post('/v1/services/echo/pause')
  await a.post('/v1/services/gate/stop')
  const b = await members.join('b', { services })
  t.equal(b.service('echo').state, 'paused')
  t.equal(b.service('gate').state, 'stopped')
  isProblem(t, await b.call('echo', 'any', 1), 'SERVICE_NOT_RUNNING')
})

t.test('a service runs on the nodes that it is placed on, and moves when one leaves', options, async (t) => {
  const members = await Members.start(t)
  const [a, b, c] = [
    await members.join('a', { labels: { disk: 'ssd' } }),
    await members.join('b', { labels: { disk: 'ssd' } }),
    await members.join('c'),
  ]
  const three = [a, b, c]
  const running = (service: string, of = three) =>
    of.filter(({ server }) => server.registry.find(service)?.state === 'running').length
  const patch = (placement: object | null) => patchOf(a, placement)
  t.equal((await patch({ labels: { disk: 'ssd' } })).status, 200)
  await becomes('the stop without the label', () => c.service('echo').state === 'stopped')
  t.equal(running('echo'), 2)
  t.match(c.service('echo'), { state: 'stopped', desiredState: 'running' })
  t.match(await c.status('echo'), { state: 'running', desiredState: 'running' }, 'a client sees that others run it')
  await becomes('the load of the others', () => c.server.membership?.peers.some(runs) === true)
  t.equal((await c.call('echo', 'any', 'x')).json, 'x', 'calls go to a node that runs it')
  const { json: job } = await c.cast('echo', 'any', 'cast')
  t.match(await c.finished(job.id), { state: 'succeeded', result: 'cast' }, 'casts as well')
  t.equal((await patch({ nodes: 1, labels: null })).status, 200)
  await becomes('one node', () => running('echo') === 1)
  const holder = three.find(({ server }) => server.registry.find('echo')?.state === 'running') as (typeof three)[0]
  const others = three.filter((each) => each !== holder)
  await holder.close()
  await becomes('another node', () => running('echo', others) === 1)
  t.equal((await patchOf(others[0] as TestServer, null)).status, 200)
  await becomes('every node', () => running('echo', others) === 2)
})

t.test('nodes see which code and which load the others have', options, async (t) => {
  const members = await Members.start(t)
  const a = await members.join('a')
  const b = await members.join('b', { services: { echo: 'not-by-itself' } })
  const membership = a.server.membership
  await becomes('the other node', () => membership?.peers[0]?.load.get('echo') !== undefined)
  t.match(membership?.peers[0], { name: 'b', url: b.identity.url, isLeaving: false, version: /^\d/ })
  const modules = membership?.modulesOf('echo') ?? new Map<string, string[]>()
  t.equal(modules.size, 2, 'the nodes have other code of the same service')
  t.strictSame([...modules.values()].flat().sort(), ['a', 'b'])
})
