/** The memory of a large payload is given back. */
import t from 'tap'
import { returnMemoryLater } from '../../src/payload/return-memory.ts'
import { eventually } from '../sqlite/jobs.ts'

t.test('after a large payload the heap becomes small again', async (t) => {
  const text = `[${new Array(500_000).fill('{"a":1}').join(',')}]`
  returnMemoryLater(text.length)
  t.equal((JSON.parse(text) as unknown[]).length, 500_000)
  const grown = process.memoryUsage().heapTotal
  await eventually(() => process.memoryUsage().heapTotal < 0.7 * grown)
  t.pass()
})
