/** How an error crosses a thread boundary: whatever was thrown arrives as an error that can be read. */
import t from 'tap'
import { fromWireError, ThreadplaneError, toWireError } from '../../src/contract/errors.ts'

/** As it arrives on the other side: structured clone, then JSON, as a job keeps it. */
const sent = (thrown: unknown) => fromWireError(JSON.parse(JSON.stringify(structuredClone(toWireError(thrown)))))

const trap = (): never => {
  throw new Error('a trap')
}

t.test('name, message, code, stack and causes cross', (t) => {
  class TeapotError extends Error {
    override name = 'TeapotError'
    code = 'E_TEAPOT'
  }
  const original = new TeapotError('short', {
    cause: new RangeError('stout', { cause: { message: 'an object', code: 7 } }),
  })
  const arrived = sent(original)
  t.ok(arrived instanceof Error)
  t.match(arrived, { name: 'TeapotError', message: 'short', code: 'E_TEAPOT', stack: original.stack })
  t.match(arrived.cause, { name: 'RangeError', message: 'stout', cause: { message: 'an object', code: '7' } })
  t.notOk(Object.keys(arrived).includes('name'), 'the name is no property of its own to be listed')
  t.end()
})

t.test('a ThreadplaneError comes back as one, with its facts', (t) => {
  const facts = { service: 's', method: 'm', jobId: 'j', started: true, retryable: false, retryAfterSeconds: 3 }
  const errors = [{ pointer: '/a', message: 'b' }]
  const arrived = sent(new ThreadplaneError('QUEUE_FULL', 'full', { ...facts, errors, cause: new Error('why') }))
  t.ok(arrived instanceof ThreadplaneError)
  t.match(arrived, {
    code: 'QUEUE_FULL',
    status: 503,
    retryable: false,
    facts: { ...facts, errors },
    cause: { message: 'why' },
  })
  t.end()
})

t.test('the code of a ThreadplaneError without its facts makes no ThreadplaneError', (t) => {
  const arrived = sent(Object.assign(new Error('forged'), { code: 'QUEUE_FULL' }))
  t.notOk(arrived instanceof ThreadplaneError)
  t.match(arrived, { code: 'QUEUE_FULL' })
  t.end()
})

t.test('anything may be thrown: what is no error is told in words', (t) => {
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  const thrown: [unknown, RegExp][] = [
    ['a text', /^a text$/],
    [undefined, /^undefined was thrown$/],
    [null, /^null was thrown$/],
    [42, /^42 was thrown$/],
    [10n, /thrown/],
    [Symbol('s'), /^Symbol\(s\) was thrown$/],
    [() => {}, /thrown/],
    [{ status: 'bad' }, /^\{"status":"bad"\} was thrown$/],
    [cycle, /thrown/],
    [Object.create(null), /thrown/],
  ]
  for (const [value, message] of thrown) {
    const arrived = sent(value)
    t.equal(arrived.name, 'Error')
    t.match(arrived.message, message)
  }
  t.end()
})

t.test('a hostile proxy or getter cannot throw on the way', (t) => {
  const handler = {
    get: trap,
    has: trap,
    ownKeys: trap,
    getPrototypeOf: trap,
    getOwnPropertyDescriptor: trap,
  }
  const getter = Object.defineProperties(new Error('outside'), {
    code: { get: trap },
    cause: { get: trap },
    stack: { get: trap },
    name: { get: trap },
  })
  const { proxy: revoked, revoke } = Proxy.revocable({}, {})
  revoke()
  for (const hostile of [
    new Proxy({}, handler),
    new Proxy(new Error('inside'), handler),
    new Proxy(new Error('inside'), { getPrototypeOf: trap }),
    revoked,
    getter,
    { toJSON: trap, toString: trap },
    new ThreadplaneError('CONFLICT', 'facts that cannot be cloned', { jobId: (() => {}) as never }),
  ]) {
    t.ok(sent(hostile) instanceof Error)
  }
  t.equal(sent(getter).message, 'outside', 'what can be read is read')
  t.end()
})

t.test('a chain of causes ends, that of an error that is its own cause too', (t) => {
  const circular = new Error('round')
  circular.cause = circular
  let depth = 0
  for (let error: unknown = sent(circular); error instanceof Error; error = error.cause) depth += 1
  t.equal(depth, 9)
  t.end()
})

t.test('long texts are cut', (t) => {
  const arrived = sent(new Error('x'.repeat(1_000_000)))
  t.ok(arrived.message.length < 20_000)
  t.ok((arrived.stack ?? '').length < 20_000)
  t.end()
})
