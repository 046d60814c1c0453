/** Errors between threads: any thrown value arrives as an error. */
import t from 'tap'
import { fromWireError, ThreadplaneError, toWireError } from '../../src/contract/errors.ts'

/** The error as it arrives after structured clone, as between threads, and JSON, as in a stored job. */
const sent = (thrown: unknown) => fromWireError(JSON.parse(JSON.stringify(structuredClone(toWireError(thrown)))))

const trap = (): never => {
  throw new Error('a trap')
}

t.test('name, message, code, stack and causes arrive', (t) => {
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
  t.notOk(Object.keys(arrived).includes('name'), 'the name is not enumerable')
  t.end()
})

t.test('a ThreadplaneError arrives as a ThreadplaneError, with its facts', (t) => {
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

t.test('an error with a code of the table but without facts does not become a ThreadplaneError', (t) => {
  const arrived = sent(Object.assign(new Error('forged'), { code: 'QUEUE_FULL' }))
  t.notOk(arrived instanceof ThreadplaneError)
  t.match(arrived, { code: 'QUEUE_FULL' })
  t.end()
})

t.test('a thrown value that is no error arrives as an error with a description of the value', (t) => {
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

t.test('a proxy or getter that throws cannot make the conversion throw', (t) => {
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
  t.equal(sent(getter).message, 'outside', 'what can be read is kept')
  t.end()
})

t.test('a chain of causes has a limit, also for an error that is its own cause', (t) => {
  const circular = new Error('round')
  circular.cause = circular
  let depth = 0
  for (let error: unknown = sent(circular); error instanceof Error; error = error.cause) depth += 1
  t.equal(depth, 9)
  t.end()
})

t.test('long texts are truncated', (t) => {
  const arrived = sent(new Error('x'.repeat(1_000_000)))
  t.ok(arrived.message.length < 20_000)
  t.ok((arrived.stack ?? '').length < 20_000)
  t.end()
})
