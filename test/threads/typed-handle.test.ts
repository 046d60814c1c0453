/** A QueueServiceThread knows the methods of its module: a wrong name, payload or result does not compile. */
import t from 'tap'
import type hooks from '../fixtures/hooks.ts'
import { errorOf, startedThread } from '../helper.ts'

t.test('QueueServiceThread<typeof module> infers methods, payloads and results', async (t) => {
  const { thread } = await startedThread<typeof hooks>(t, 'hooks')
  const sum: number = await thread.callThread('add', [1, 2])
  t.equal(sum, 3)
  const { greeting }: { greeting: string } = await thread.callThread('greet', { name: 'Ada', at: new Date() })
  t.equal(greeting, 'Hello, Ada')
  thread.castThread('greet', { name: 'Ada' })

  // @ts-expect-error there is no such method
  t.match(await errorOf(thread.callThread('nowhere', {})), { code: 'METHOD_NOT_FOUND' })
  // @ts-expect-error a payload of the wrong type
  t.match(await errorOf(thread.callThread('greet', { name: 42 })), { code: 'VALIDATION_FAILED' })
  // @ts-expect-error a payload without a required member
  t.match(await errorOf(thread.callThread('greet', {})), { code: 'VALIDATION_FAILED' })
  // @ts-expect-error too many elements
  t.match(await errorOf(thread.callThread('add', [1, 2, 3])), { code: 'VALIDATION_FAILED' })
  // @ts-expect-error a result of another type
  const text: string = await thread.callThread('add', [1, 2])
  t.type(text, 'number')
  // @ts-expect-error a cast of a method that is not there
  thread.castThread('nowhere', {})
})
