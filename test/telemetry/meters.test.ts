import t from 'tap'
import { ERRORS, type ErrorCode, ThreadplaneError } from '../../src/contract/errors.ts'
import { Meters } from '../../src/telemetry/meters.ts'

const queued = (facts: object = {}) => ({
  kind: 'call' as const,
  queuedAt: performance.now() - 1_000,
  ranMs: undefined,
  begunAt: undefined,
  ...facts,
})

t.test('each error has an outcome', async (t) => {
  const meter = new Meters().service()
  const outcomes = Object.keys(ERRORS).map((code) => {
    const { calls } = meter.method(code)
    meter.call(code, new ThreadplaneError(code as ErrorCode, ''))
    return [code, calls.keys.find((key) => calls.get(key) === 1)] as const
  })
  t.match(Object.fromEntries(outcomes), {
    METHOD_FAILED: 'failed',
    RESULT_INVALID: 'failed',
    METHOD_REFUSED: 'refused',
    VALIDATION_FAILED: 'rejected',
    QUEUE_FULL: 'rejected',
    DEADLINE_EXCEEDED: 'deadline',
    JOB_CANCELLED: 'aborted',
    THREAD_DIED: 'thread_died',
  })
})

t.test('the time of a method is divided into its wait and its run', async (t) => {
  const meter = new Meters().service()
  const { run } = meter.method('send')
  const wait = meter.waits.call
  meter.call('send', undefined, queued({ ranMs: 250 }))
  t.equal(run.sum, 0.25)
  t.ok(wait.sum >= 0.75)
  const died = new ThreadplaneError('THREAD_DIED', '', { started: true })
  meter.call('send', died, queued({ begunAt: performance.now() - 400 }))
  t.ok(run.sum >= 0.65)
  const { sum } = wait
  meter.call('send', died, queued())
  t.equal(wait.sum, sum, 'nobody saw it begin')
  meter.call('send', new ThreadplaneError('DEADLINE_EXCEEDED', ''), queued())
  t.ok(wait.sum >= sum + 1, 'it waited until it was given up')
  t.equal(meter.method('send').calls.get('thread_died'), 2)
})

t.test('an attempt that did not begin is no attempt', async (t) => {
  const meter = new Meters().service()
  meter.attempt('send', new ThreadplaneError('SERVICE_NOT_RUNNING', ''), queued({ kind: 'cast' }))
  const { attempts } = meter.method('send')
  t.ok(attempts.keys.every((key) => attempts.get(key) === 0))
})

t.test('pairs beyond the limit are folded, until a service is deleted or has other methods', async (t) => {
  const meters = new Meters()
  const [first, second] = [meters.service(), meters.service()]
  for (let n = 0; n < 999; n += 1) first.method(`m${n}`)
  for (const name of ['a', 'b', 'c']) second.method(name)
  t.strictSame([second.named.size, second.folded.size], [1, 2])
  t.equal(second.method('c'), second.folded.get('c'))
  first.keep((name) => name !== 'm0')
  second.method('d')
  t.strictSame([second.named.size, second.folded.size], [2, 2])
  first.end()
  first.method('late')
  t.equal(first.named.size, 0, 'a method that ends after the deletion takes no room')
  for (let n = 0; n < 1_000; n += 1) second.method(`m${n}`)
  t.equal(second.named.size, 1_000)
})
