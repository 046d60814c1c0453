/** The deadline of a call that is sent to another node, where the body of the client ends later than the call. */
import { EventEmitter } from 'node:events'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import type { Dispatcher } from 'undici'
import { newIdentity, SoleNode } from '../../src/cluster/cluster.ts'
import { ForwardedCall } from '../../src/cluster/forwarded-call.ts'
import { NodeRouter } from '../../src/cluster/router.ts'
import { idlePeer } from './nodes.ts'

t.test('a body that ends after the answer begins no deadline', async (t) => {
  const raw = Object.assign(new EventEmitter(), { destroyed: false })
  const body = Object.assign(new EventEmitter(), { complete: true })
  const reply = { raw, request: { raw: body, url: '/', headers: {} } } as unknown as FastifyReply
  const cluster = new SoleNode(newIdentity({ name: 'self', url: '', labels: {} }))
  const router = new NodeRouter(cluster, { find: () => undefined })
  const call = new ForwardedCall(
    {
      reply,
      service: 'a',
      method: 'b',
      body: { kind: 'piped', maxBytes: 10 },
      requestTimeoutMs: undefined,
      timeoutMs: 1,
      caller: undefined,
    },
    router,
    { to: () => ({ dispatch: () => true }) as unknown as Dispatcher },
  )
  call.start(idlePeer('one', 'http://127.0.0.1:1', 'a'))
  t.equal(body.listenerCount('end'), 1)
  raw.emit('close')
  t.equal(body.listenerCount('end'), 0)
})
