/** The memory of a body is freed as soon as its call has ended. */
import { markAsUntransferable } from 'node:worker_threads'
import t from 'tap'
import { BytePayload } from '../../src/payload/byte-payload.ts'
import { releaseBuffers } from '../../src/payload/release-buffers.ts'

const MIB = 1024 * 1024

t.test('the memory of buffers is freed at once; a view of a part of a larger buffer is left as it is', async (t) => {
  const own = new Uint8Array(8 * MIB)
  const larger = new Uint8Array(8 * MIB)
  const before = process.memoryUsage().arrayBuffers
  releaseBuffers([own, larger.subarray(1)])
  const freed = before - process.memoryUsage().arrayBuffers
  t.equal(own.byteLength, 0)
  t.equal(larger.byteLength, 8 * MIB)
  // Other code allocates and frees buffers meanwhile.
  t.ok(freed > 7 * MIB && freed < 9 * MIB, `${freed} bytes were freed`)
  releaseBuffers([])

  const kept = new Uint8Array(10)
  markAsUntransferable(kept.buffer)
  t.doesNotThrow(() => releaseBuffers([kept]))
  t.equal(kept.byteLength, 10)
})

t.test('a released body has no bytes; a copy that was made before is not affected', async (t) => {
  const pieces = [new Uint8Array(3).fill(1), new Uint8Array(2).fill(2)]
  const body = new BytePayload('image/png', pieces)
  const joined = body.join()
  body.release()
  t.same([...joined], [1, 1, 1, 2, 2])
  t.same(
    pieces.map(({ byteLength }) => byteLength),
    [0, 0],
  )
})
