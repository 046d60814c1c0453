/** Where a call runs. */
import t from 'tap'
import type { Peer, ServiceLoad } from '../../src/cluster/cluster.ts'
import { newIdentity, SoleNode } from '../../src/cluster/cluster.ts'
import { type LocalServices, NodeRouter } from '../../src/cluster/router.ts'
import { ListedPeers } from './nodes.ts'

const IDLE: ServiceLoad = { state: 'running', threads: 1, concurrency: 2, running: 0, waiting: 0, room: 10 }

function peer(name: string, load: Partial<ServiceLoad> = {}): Peer {
  const identity = newIdentity({ name, url: 'http://127.0.0.1:1', labels: {} })
  return { ...identity, modules: new Map(), isLeaving: false, load: new Map([['a', { ...IDLE, ...load }]]) }
}

type Here = NonNullable<ReturnType<LocalServices['find']>>

function routerOver(here: Partial<Here> | undefined, ...peers: Peer[]) {
  const cluster = new ListedPeers('self')
  const local: Here = { state: 'stopped', room: 1, isPlacedHere: true, desiredState: 'running', ...here }
  const router = new NodeRouter(cluster, { find: () => here && local })
  cluster.list(...peers)
  return { cluster, router }
}

const nameOf = (target: 'here' | Peer | undefined) => (typeof target === 'object' ? target.name : target)

t.test('a call runs here if the service runs here and has room', async (t) => {
  const other = peer('other')
  t.equal(routerOver({ state: 'running', room: 1 }, other).router.route('a'), 'here')
  t.equal(nameOf(routerOver({ state: 'running', room: 0 }, other).router.route('a')), 'other')
  for (const state of ['stopped', 'starting', 'paused', 'stopping', 'crashed', 'backoff', 'failed'] as const) {
    t.equal(nameOf(routerOver({ state, room: 1 }, other).router.route('a')), 'other', state)
  }
  t.equal(nameOf(routerOver(undefined, other).router.route('a')), 'other')
})

t.test('a peer is no choice if the service does not run there, has no room, or has refused', async (t) => {
  const other = peer('other')
  t.equal(routerOver(undefined, other).router.route('b'), undefined)
  t.equal(routerOver(undefined, peer('other', { state: 'paused' })).router.route('a'), undefined)
  t.equal(routerOver(undefined, peer('other', { room: 0 })).router.route('a'), undefined)
  t.equal(routerOver(undefined, other).router.leastBusy('a', new Set([other.id])), undefined)
  t.equal(routerOver(undefined).router.route('a'), undefined)
})

t.test('of several peers the least busy one is chosen, by what its threads can run at once', async (t) => {
  const small = peer('small', { running: 2, waiting: 1 })
  const large = peer('large', { concurrency: 8, running: 4 })
  t.equal(nameOf(routerOver(undefined, small, large).router.route('a')), 'large')
})

t.test('peers that are equally busy are all chosen', async (t) => {
  const { router } = routerOver(undefined, peer('one'), peer('two'))
  const chosen = new Set(Array.from({ length: 200 }, () => nameOf(router.route('a'))))
  t.strictSame(chosen, new Set(['one', 'two']))
})

t.test('calls that this node has sent count until they have ended', async (t) => {
  const one = peer('one')
  const { router } = routerOver(undefined, one, peer('two', { running: 2 }))
  const ends = Array.from({ length: 4 }, () => router.sending(one, 'a'))
  t.equal(nameOf(router.route('a')), 'two')
  for (const end of ends) end()
  t.equal(nameOf(router.route('a')), 'one')
})

t.test('a peer that could not be reached is the last choice, until it comes anew', async (t) => {
  const one = peer('one')
  const two = peer('two', { running: 2, waiting: 8 })
  const { router, cluster } = routerOver(undefined, one, two)
  router.unreachable(one)
  t.equal(nameOf(router.route('a')), 'two')
  cluster.list(one)
  t.equal(nameOf(router.route('a')), 'one')
  cluster.list()
  cluster.list(one, two)
  t.equal(nameOf(router.route('a')), 'one')
})

t.test('of a service that others run, and have not told of yet, a call waits for news of them', async (t) => {
  const elsewhere = { isPlacedHere: false }
  const stopped = peer('other', { state: 'stopped' })
  for (const state of ['running', 'starting'] as const) {
    const { cluster, router } = routerOver(elsewhere, stopped)
    const target = router.routeSoon('a')
    t.ok(target instanceof Promise)
    cluster.list(peer('other', { state: 'stopped' }))
    cluster.list(peer('other', { state }))
    t.equal(nameOf(await target), 'other')
    t.equal(nameOf(router.routeSoon('a') as Peer), 'other', 'at once')
  }
  t.equal(routerOver({ ...elsewhere, desiredState: 'stopped' }, stopped).router.routeSoon('a'), undefined)
  t.equal(routerOver({}, stopped).router.routeSoon('a'), undefined, 'it is to run here')
  t.equal(routerOver(undefined, stopped).router.routeSoon('a'), undefined, 'there is no such service')
  t.equal(await routerOver(elsewhere, stopped).router.routeSoon('a'), undefined, 'no news come')
})

t.test(
  'a node that has the service answers the calls that no node can take, and first one where they wait',
  async (t) => {
    const elsewhere = { isPlacedHere: false }
    for (const state of ['failed', 'backoff', 'starting', 'paused', 'stopping', 'running'] as const) {
      const { router } = routerOver(elsewhere, peer('none', { state: 'stopped' }), peer('other', { state, room: 0 }))
      t.equal(router.route('a'), undefined, state)
      t.equal(nameOf(router.routeSoon('a') as Peer), 'other', state)
      t.equal(routerOver({}, peer('other', { state, room: 0 })).router.routeSoon('a'), undefined, 'it is to run here')
    }
    const { router } = routerOver(elsewhere, peer('failed', { state: 'failed' }), peer('starts', { state: 'starting' }))
    t.equal(nameOf(router.routeSoon('a') as Peer), 'starts')
  },
)

t.test('the only node has no peers', async (t) => {
  const router = new NodeRouter(new SoleNode(newIdentity({ name: 'a', url: '', labels: {} })), {
    find: () => undefined,
  })
  t.equal(router.route('a'), undefined)
})
