/** Methods that take or return bytes, called in this process. */
import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { OneForOneSupervisor } from '../../src/supervision/supervisor.ts'
import { defineService, method } from '../../src/module/define-service.ts'
import { bytes } from '../../src/module/bytes.ts'
import { describeService } from '../../src/module/describe-service.ts'
import type fixture from '../fixtures/bytes.ts'
import { errorOf, queueThread, startedThread, testOnce, within } from '../helper.ts'

type Fixture = typeof fixture

const { thread } = await startedThread<Fixture>(t, 'bytes')

const policy = { maxRestarts: 100, periodMs: 60_000, backoffMs: 10, backoffMaxMs: 20 }
const sha256 = (input: Uint8Array) => createHash('sha256').update(input).digest('hex')

t.test('bytes arrive unchanged, and come back unchanged', async (t) => {
  for (const size of [0, 1, 100, 5_000, 65_536, 1_000_001]) {
    const input = randomBytes(size)
    t.ok(input.equals(await thread.callThread('same', input)), `${size} bytes`)
    t.ok(input.subarray(size / 2).equals(await thread.callThread('half', input)), `half of ${size} bytes`)
    t.equal(await thread.callThread('hash', input), sha256(input), 'the caller still has them')
  }
})

t.test('the handler has a Uint8Array in a buffer of its own, whatever the caller had', async (t) => {
  for (const input of [Buffer.from('pooled'), new Uint8Array(100).subarray(10), new Uint8Array(1_000_000)]) {
    t.strictSame(await thread.callThread('view', input), ['Uint8Array', input.byteLength, input.byteLength])
  }
})

t.test('bytes that a handler returns are transferred: a handler that keeps them has to return a copy', async (t) => {
  t.equal((await thread.callThread('kept', null)).byteLength, 100_000)
  t.equal(await thread.callThread('keptLength', null), 0)
  t.match(await errorOf(thread.callThread('kept', null)), { code: 'RESULT_NOT_SERIALIZABLE', message: /given away/ })
})

t.test('a buffer that cannot be given away is copied, and the handler still has it', async (t) => {
  for (const which of ['untransferable', 'pooled', 'part', 'shared', 'memory']) {
    const first = await thread.callThread('owned', which)
    t.ok(first.byteLength >= 1_000, which)
    t.same(await thread.callThread('owned', which), first, `${which}, again`)
  }
  const copy = await thread.callThread('copied', null)
  t.same(await thread.callThread('copied', null), copy, 'a copy of a Buffer as docs/bytes-and-streams.md says')
})

t.test('bytes() may be refined, transformed, and piped to', async (t) => {
  t.equal(await thread.callThread('few', new Uint8Array([1])), 'few')
  t.match(await errorOf(thread.callThread('few', new Uint8Array([2]))), { code: 'VALIDATION_FAILED' })
  const error = await errorOf(thread.callThread('few', new Uint8Array(11)))
  t.match(error, { facts: { errors: [{ pointer: '', message: /at most 10 bytes/ }] } })
  t.same(await thread.callThread('text', Buffer.from('text')), Buffer.from('TEXT'))
})

t.test('a payload or result that is not bytes is refused, and so is one with too many bytes', async (t) => {
  const refused = await errorOf(thread.callThread('same', 'text' as never))
  t.match(refused, { code: 'VALIDATION_FAILED', facts: { errors: [{ message: /expected bytes/ }] } })
  t.match(await errorOf(thread.callThread('wrong', null)), { code: 'RESULT_INVALID' })
  const large = { code: 'RESULT_NOT_SERIALIZABLE', message: /2000000 bytes of maxResultBytes/ }
  t.match(await errorOf(thread.callThread('large', null)), large)
})

t.test('calls that had not begun when the thread died run in another thread, with all their bytes', async (t) => {
  const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
  const { thread } = queueThread<Fixture>(t, 'bytes', { options: { numWorkers: 1 } })
  supervisor.add(thread)
  t.teardown(() => supervisor.stop())
  await supervisor.start()
  const deadly = errorOf(thread.callThread('exit', null))
  const inputs = Array.from({ length: 20 }, (_, index) => randomBytes(100_000 * (index % 2) + index))
  const hashes = inputs.map((input) => thread.callThread('hash', input))
  t.match(await deadly, { code: 'THREAD_DIED' })
  t.strictSame(await within(Promise.all(hashes), 'the others'), inputs.map(sha256))
  t.equal(thread.restartCount, 1)
})

testOnce(t, 'a description says which methods take and return bytes', (t) => {
  const { methods } = describeService(
    defineService({
      methods: {
        both: method({
          input: bytes({ types: ['image/*'], maxBytes: 5 }).refine(() => true),
          output: bytes({ types: ['text/csv; charset=utf-8'] }),
          handler: (input) => input,
        }),
        any: method({ input: bytes(), output: bytes(), handler: (input) => input }),
      },
    }),
  )
  const binary = { type: 'string', format: 'binary' }
  t.match(methods.both, {
    input: { ...binary, maxLength: 5 },
    inputBytes: { types: ['image/*'], maxBytes: 5 },
    output: binary,
    outputBytes: { types: ['text/csv; charset=utf-8'] },
  })
  t.match(methods.any, { inputBytes: { types: ['*/*'] }, outputBytes: { types: ['application/octet-stream'] } })
  t.end()
})

testOnce(t, 'media types that no request or answer can have are refused', (t) => {
  const refusal = (io: 'input' | 'output', options: Parameters<typeof bytes>[0]) => () =>
    describeService(defineService({ methods: { odd: method({ [io]: bytes(options), handler: () => null as never }) } }))
  t.throws(refusal('input', { types: ['image'] }), { message: 'method "odd": input: types: expected media types' })
  t.throws(refusal('input', { types: [] }), { code: 'MODULE_REFUSED' })
  t.throws(refusal('input', { types: ['application/vnd.api+json'] }), { message: /JSON cannot be taken as bytes/ })
  t.throws(refusal('input', { maxBytes: -1 }), { message: /maxBytes: expected a positive integer/ })
  t.throws(refusal('output', { types: ['image/*'] }), { message: /the one type that is sent/ })
  t.throws(refusal('output', { types: ['image/png', 'image/webp'] }), { message: /the one type that is sent/ })
  t.end()
})
