/** The messages of a turn are posted together, and one that cannot be cloned does not affect the others. */
import t from 'tap'
import { MessageBatcher } from '../../src/async/message-batcher.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('the messages of one turn are posted as one array, in order', async (t) => {
  const posts: number[][] = []
  const batcher = new MessageBatcher<number>(
    (messages) => posts.push(messages),
    () => {},
  )
  for (const message of [1, 2, 3]) batcher.push(message)
  t.strictSame(posts, [])
  await turn()
  t.equal(batcher.size, 0)
  batcher.push(4)
  t.equal(batcher.size, 1)
  batcher.flush()
  await turn()
  t.strictSame(posts, [[1, 2, 3], [4]], 'nothing is posted twice')
})

t.test('a message that cannot be cloned is refused alone, whatever value the clone throws', async (t) => {
  const posts: unknown[][] = []
  const refused: unknown[][] = []
  const batcher = new MessageBatcher<unknown>(
    (messages) => posts.push(structuredClone(messages)),
    (...args) => refused.push(args),
  )
  const trap = {
    get bad(): never {
      throw null
    },
  }
  const call = () => {}
  for (const message of ['a', call, 'b', trap, 'c']) batcher.push(message)
  await turn()
  t.strictSame(posts, [['a'], ['b'], ['c']])
  t.match(refused, [
    [call, { name: 'DataCloneError' }],
    [trap, null],
  ])
})

t.test('a message that is pushed while another is refused is posted in the next turn', async (t) => {
  const posts: unknown[][] = []
  const batcher = new MessageBatcher<unknown>(
    (messages) => posts.push(structuredClone(messages)),
    () => batcher.push('refused'),
  )
  batcher.push(() => {})
  await turn()
  await turn()
  t.strictSame(posts, [['refused']])
})
