/** One message that cannot be sent takes no other with it. */
import t from 'tap'
import { Outbox } from '../../src/protocol/message-batcher.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('the messages of one turn are posted as one array, in their order', async (t) => {
  const posts: number[][] = []
  const outbox = new Outbox<number>(
    (messages) => posts.push(messages),
    () => {},
  )
  for (const message of [1, 2, 3]) outbox.push(message)
  t.strictSame(posts, [])
  await turn()
  t.equal(outbox.size, 0)
  outbox.push(4)
  t.equal(outbox.size, 1)
  outbox.flush()
  await turn()
  t.strictSame(posts, [[1, 2, 3], [4]], 'and nothing is posted twice')
})

t.test('each message that cannot be cloned is refused alone, whatever cloning it throws', async (t) => {
  const posts: unknown[][] = []
  const refused: unknown[][] = []
  const outbox = new Outbox<unknown>(
    (messages) => posts.push(structuredClone(messages)),
    (...args) => refused.push(args),
  )
  const trap = {
    get bad(): never {
      throw null
    },
  }
  const call = () => {}
  for (const message of ['a', call, 'b', trap, 'c']) outbox.push(message)
  await turn()
  t.strictSame(posts, [['a'], ['b'], ['c']])
  t.match(refused, [
    [call, { name: 'DataCloneError' }],
    [trap, null],
  ])
})

t.test('what is pushed by the one who is told of a refusal goes out with the next turn', async (t) => {
  const posts: unknown[][] = []
  const outbox = new Outbox<unknown>(
    (messages) => posts.push(structuredClone(messages)),
    () => outbox.push('refused'),
  )
  outbox.push(() => {})
  await turn()
  await turn()
  t.strictSame(posts, [['refused']])
})
