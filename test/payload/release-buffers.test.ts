import { markAsUntransferable } from 'node:worker_threads'
import t from 'tap'
import { BytePayload } from '../../src/payload/byte-payload.ts'
import { releaseBuffers } from '../../src/payload/release-buffers.ts'

const MIB = 1024 * 1024

t.test('memory of buffers is given back at once, but for parts of what is larger', async (t) => {
  const own = new Uint8Array(8 * MIB)
  const larger = new Uint8Array(8 * MIB)
  const before = process.memoryUsage().arrayBuffers
  releaseBuffers([own, larger.subarray(1)])
  const givenBack = before - process.memoryUsage().arrayBuffers
  t.equal(own.byteLength, 0)
  t.equal(larger.byteLength, 8 * MIB)
  // Others have buffers too.
  t.ok(givenBack > 7 * MIB && givenBack < 9 * MIB, `${givenBack} bytes were given back`)
  releaseBuffers([])

  const kept = new Uint8Array(10)
  markAsUntransferable(kept.buffer)
  t.doesNotThrow(() => releaseBuffers([kept]))
  t.equal(kept.byteLength, 10)
})

t.test('a body that was released is gone; what was joined of it before is not', async (t) => {
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
