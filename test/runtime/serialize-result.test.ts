/** Results as JSON: what JSON would silently turn into something else is refused, with its place. */
import t from 'tap'
import { serializeResult } from '../../src/runtime/serialize-result.ts'

const MOST = 1_000_000

t.test('what JSON does not have is refused, and the message says where it is', (t) => {
  for (const [value, detail] of [
    [new Map([['a', 1]]), /^the result is a Map, which JSON does not have: make an object/],
    [{ users: new Set([1]) }, /^the result at \/users is a Set/],
    [[{ 'a/b': Promise.resolve(1) }], /^the result at \/0\/a~1b is a Promise, .*: await it$/],
    [{ cause: new TypeError('no') }, /^the result at \/cause is a Error/],
    [{ pattern: /x/ }, /is a RegExp/],
    [{ image: new Uint8Array([1, 2]) }, /^the result at \/image is bytes, .*Base64/],
    [{ image: Buffer.from('ab') }, /is bytes/],
    [{ samples: new Float32Array([1]) }, /is bytes/],
    [{ raw: new ArrayBuffer(2) }, /is bytes/],
  ] as const) {
    const { ok, failure } = serializeResult(value, MOST) as { ok: boolean; failure: { kind: string; detail: string } }
    t.equal(ok, false)
    t.match(failure, { kind: 'notSerializable', detail })
  }
  t.end()
})

t.test('what JSON has is sent, also if it looks like something else', (t) => {
  const own = { toJSON: () => ({}), map: new Map() }
  for (const value of [
    {},
    [],
    { a: {} },
    { '0': 1 },
    { text: '{}', type: 'Buffer' },
    new Date(0),
    { own },
    { at: new Date(0) },
  ]) {
    t.same(serializeResult(value, MOST), { ok: true, value: JSON.stringify(value) })
  }
  t.end()
})
