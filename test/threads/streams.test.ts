/** Streams, for callers in this process. */
import t from 'tap'
import { z } from 'zod'
import { bytes } from '../../src/module/bytes.ts'
import { defineService, method } from '../../src/module/define-service.ts'
import { describeService } from '../../src/module/describe-service.ts'
import { stream } from '../../src/module/stream.ts'
import type fixture from '../fixtures/streams.ts'
import { errorOf, queueThread, startedThread, testOnce, within } from '../helper.ts'

type Fixture = typeof fixture

const { thread, log } = await startedThread<Fixture>(t, 'streams')

async function all<T>(items: AsyncIterable<T>): Promise<{ taken: T[]; error?: Error }> {
  const taken: T[] = []
  try {
    for await (const item of items) taken.push(item)
  } catch (error) {
    return { taken, error: error as Error }
  }
  return { taken }
}

t.test('callThread returns an async iterable of items, each parsed by its schema', async (t) => {
  t.strictSame(await all(await thread.callThread('count', { to: 3 })), { taken: [{ n: 1 }, { n: 2 }, { n: 3 }] })
  t.strictSame(await all(await thread.callThread('count', { to: 0 })), { taken: [] })
  t.equal((await all(await thread.callThread('count', { to: 10_000 }))).taken.length, 10_000)
})

testOnce(t, 'callThread before the start returns an async iterable too', async (t) => {
  const { thread } = queueThread<Fixture>(t, 'streams')
  const called = [thread.callThread('count', { to: 1 }), thread.callThread('count', { to: 0 })] as const
  const plain = thread.callThread('counts', null)
  await thread.start()
  t.strictSame(await all(await called[0]), { taken: [{ n: 1 }] })
  t.strictSame(await all(await called[1]), { taken: [] })
  t.strictSame(await plain, { produced: 0, returned: 0 })
})

t.test('a stream produces only a few items more than are taken; leaving the loop ends its generator', async (t) => {
  let seen = 0
  for await (const item of await thread.callThread('endless', null)) {
    const { produced } = await thread.callThread('counts', null)
    t.ok(produced <= item + 20, `${produced} items were made when item ${item} was taken`)
    if (++seen === 50) break
  }
  for (let counts = { produced: 0, returned: 0 }; counts.returned === 0; )
    counts = await thread.callThread('counts', null)
  await within(thread.idle(), 'the slot of the stream')
})

t.test('concurrent calls of next() get an item each, in their order, and then the end', async (t) => {
  const items = (await thread.callThread('count', { to: 40 }))[Symbol.asyncIterator]()
  const told = await Promise.all(Array.from({ length: 42 }, () => items.next()))
  t.strictSame(
    told.slice(0, 40).map(({ value }) => value),
    Array.from({ length: 40 }, (_, n) => ({ n: n + 1 })),
  )
  t.match(told.slice(40), [{ done: true }, { done: true }])
})

t.test('an error comes after the items before it, as it was thrown', async (t) => {
  t.match(await all(await thread.callThread('fails', null)), {
    taken: [null],
    error: { name: 'RangeError', message: 'no more' },
  })
  t.match(await errorOf(thread.callThread('failsAtOnce', null)), { name: 'RangeError', message: 'not even one' })
  t.match(await all(await thread.callThread('wrongItem', null)), {
    taken: [{ n: 1 }],
    error: { code: 'RESULT_INVALID', facts: { errors: [{ pointer: '/n' }] } },
  })
  t.match(await all(await thread.callThread('uncloneable', null)), {
    taken: [1],
    error: { code: 'RESULT_NOT_SERIALIZABLE' },
  })
  t.match(await errorOf(thread.callThread('noStream', null)), { code: 'RESULT_INVALID' })
})

t.test('an abort ends a stream, and so does its deadline', async (t) => {
  const gone = new AbortController()
  const aborted = await thread.callThread('waits', null, { signal: gone.signal })
  gone.abort()
  t.match(await all(aborted), { taken: ['first'], error: { code: 'JOB_CANCELLED' } })
  await log.line('aborted')
  const late = await thread.callThread('waits', null, { timeoutMs: 50 })
  t.match(await all(late), { taken: ['first'], error: { code: 'DEADLINE_EXCEEDED' } })
  await log.line('aborted', 2)
  await within(thread.idle(), 'the slots of the streams')
})

t.test('a cast of a method that streams ends, and its items are dropped', async (t) => {
  thread.castThread('count', { to: 10_000 })
  await t.resolves(within(thread.idle(), 'the end of the stream'))
})

t.test('the death of the thread comes after the items before it', async (t) => {
  t.match(await all(await thread.callThread('exit', null)), { taken: [1], error: { code: 'THREAD_DIED' } })
})

testOnce(t, 'a description has the schema of an item', (t) => {
  const { methods } = describeService(
    defineService({ methods: { odd: method({ output: stream(z.int()), handler: async function* () {} }) } }),
  )
  t.match(methods.odd, { streams: true, output: { type: 'integer' } })
  const refusal = (spec: object) => () =>
    describeService(defineService({ methods: { odd: { ...spec, handler: () => null } } }) as never)
  t.throws(refusal({ input: stream(z.int()) }), { message: /input: a stream can only be an output/ })
  t.throws(refusal({ output: stream(bytes()) }), { message: /the items of a stream must be JSON/ })
  t.throws(refusal({ output: stream(stream(z.int())) }), { message: /the items of a stream must be JSON/ })
  t.throws(refusal({ output: stream({} as never) }), { code: 'MODULE_REFUSED' })
  t.end()
})
