/**
 * Priorities, fairness and limits take effect in the queue, on the control thread: these tests need no service's
 * thread.
 */
import fc from 'fast-check'
import t from 'tap'
import { Handoff } from '../../src/queue/handoff.ts'
import { type ThreadPort, MethodQueue } from '../../src/queue/method-queue.ts'
import { QueuedMethod, type QueuedMethodOptions } from '../../src/queue/queued-method.ts'
import type { ControlMessage, RunMessage } from '../../src/protocol/messages.ts'
import { SlotTable } from '../../src/protocol/slot-table.ts'
import { errorOf } from '../helper.ts'

let lastId = 0

function method(options: Partial<QueuedMethodOptions> = {}): QueuedMethod {
  lastId += 1
  const queued = new QueuedMethod({
    service: 'service',
    method: 'method',
    payload: null,
    kind: 'call',
    format: 'clone',
    job: { id: String(lastId), attempt: 1 },
    bytes: 0,
    priority: 5,
    timeoutMs: 30_000,
    ...options,
  })
  queued.promise.catch(() => {})
  return queued
}

const newQueue = ({ capacity = 10_000, maxBytes = 1_000_000 } = {}) =>
  new MethodQueue({ service: 'service', capacity, maxBytes })

/** A port that takes all methods for which it has room. */
class Taker implements ThreadPort {
  readonly runsExclusive = false
  readonly suspended = false
  readonly stealable = 0
  readonly taken: QueuedMethod[] = []
  readonly load: number
  room: number

  constructor({ room = Number.POSITIVE_INFINITY, load = 0 } = {}) {
    this.room = room
    this.load = load
  }

  giveBack() {}

  hand(queued: QueuedMethod) {
    this.room -= 1
    this.taken.push(queued)
  }
}

const filled = fc.array(fc.record({ kind: fc.constantFrom('call' as const, 'cast' as const), priority: fc.nat(9) }))

t.test('calls go before casts, with one in eight for a cast while both wait', (t) => {
  fc.assert(
    fc.property(filled, (specs) => {
      const queue = newQueue()
      for (const spec of specs) queue.enqueue(method(spec))
      const taker = new Taker()
      queue.attach(taker)
      const kinds = taker.taken.map(({ kind }) => kind)
      let casts = specs.filter(({ kind }) => kind === 'cast').length
      let calls = specs.length - casts
      for (let turn = 1; calls > 0 && casts > 0; turn += 1) {
        const kind = kinds.shift()
        if (kind !== (turn % 8 === 0 ? 'cast' : 'call')) return false
        if (kind === 'cast') casts -= 1
        else calls -= 1
      }
      return kinds.length === calls + casts && queue.size === 0
    }),
  )
  t.pass()
  t.end()
})

t.test('of calls, and of casts, the higher priority goes first, and equals in the order they came', (t) => {
  fc.assert(
    fc.property(filled, (specs) => {
      const queue = newQueue()
      const queued = specs.map((spec) => method(spec))
      for (const one of queued) queue.enqueue(one)
      const taker = new Taker()
      queue.attach(taker)
      return (['call', 'cast'] as const).every((kind) => {
        const of = (methods: QueuedMethod[]) => methods.filter((one) => one.kind === kind)
        // Array.prototype.sort is stable.
        const expected = of(queued).sort((a, b) => b.priority - a.priority)
        return of(taker.taken).every((one, index) => one === expected[index])
      })
    }),
  )
  t.pass()
  t.end()
})

t.test('aborts in the middle of the queue leave the others in their order, and make room for new methods', (t) => {
  fc.assert(
    fc.property(filled, fc.array(fc.nat()), (specs, aborts) => {
      const queue = newQueue({ maxBytes: 10 * Math.max(specs.length, 1) })
      const queued = specs.map((spec) => method({ ...spec, bytes: 10 }))
      for (const one of queued) queue.enqueue(one)
      for (const index of aborts) queued[index % Math.max(queued.length, 1)]?.abort('JOB_CANCELLED', 'test')
      const left = queued.filter((one) => !one.settled)
      if (queue.size !== left.length) return false
      // The queue takes as many bytes again as the aborts have freed.
      for (let index = left.length; index < queued.length; index += 1) queue.enqueue(method({ bytes: 10 }))
      const taker = new Taker()
      queue.attach(taker)
      return left.every((one) => taker.taken.includes(one)) && taker.taken.length === queued.length
    }),
  )
  t.pass()
  t.end()
})

t.test('QUEUE_FULL, by number and by bytes, with retryAfterSeconds', (t) => {
  const byNumber = newQueue({ capacity: 1 })
  byNumber.enqueue(method())
  t.throws(() => byNumber.enqueue(method()), {
    code: 'QUEUE_FULL',
    message: '1 methods are waiting for service already',
    facts: { started: false, retryAfterSeconds: 1 },
  })
  const byBytes = newQueue({ maxBytes: 100 })
  byBytes.enqueue(method({ bytes: 60 }))
  t.throws(() => byBytes.enqueue(method({ bytes: 41 })), { code: 'QUEUE_FULL', message: /60 bytes of payloads/ })
  byBytes.enqueue(method({ bytes: 40 }))
  t.equal(byBytes.size, 2)
  t.end()
})

t.test('methods that were handed to a thread do not count for the capacity of the queue', (t) => {
  const queue = newQueue({ capacity: 1 })
  queue.attach(new Taker({ room: 3 }))
  for (let index = 0; index < 4; index += 1) queue.enqueue(method())
  t.equal(queue.size, 1)
  t.throws(() => queue.enqueue(method()), { code: 'QUEUE_FULL' })
  t.end()
})

t.test('the least loaded of several threads is served first', (t) => {
  const queue = newQueue()
  const [busy, idle, full] = [new Taker({ load: 2 }), new Taker({ load: 1 }), new Taker({ room: 0 })]
  for (const taker of [busy, full, idle]) queue.attach(taker)
  queue.enqueue(method())
  t.strictSame(
    [busy, idle, full].map(({ taken }) => taken.length),
    [0, 1, 0],
  )
  t.end()
})

t.test('an exclusive method does not wait for a busy thread while another is idle', (t) => {
  const queue = newQueue()
  const busy = new Taker({ load: 1 })
  queue.attach(busy)
  const suspect = method({ kind: 'cast', exclusive: true })
  queue.enqueue(suspect)
  t.equal(suspect.isNext, true, 'the only thread is reserved for it')
  const idle = new Taker()
  queue.attach(idle)
  t.equal(idle.taken[0], suspect)
  t.equal(queue.size, 0)
  t.end()
})

t.test('a paused queue hands out nothing, and goes on afterwards', (t) => {
  const queue = newQueue()
  const taker = new Taker()
  queue.attach(taker)
  queue.paused = true
  queue.enqueue(method())
  t.equal(taker.taken.length, 0)
  queue.paused = false
  t.equal(taker.taken.length, 1)
  t.end()
})

t.test('a closed queue fails the methods that wait and those that come, until it is opened', async (t) => {
  const queue = newQueue()
  const waiting = method()
  queue.enqueue(waiting)
  queue.close((queued) => queued.error('SERVICE_NOT_RUNNING', 'closed'))
  t.match(await errorOf(waiting.promise), { code: 'SERVICE_NOT_RUNNING' })
  t.throws(() => queue.enqueue(method()), { code: 'SERVICE_NOT_RUNNING' })
  const back = method()
  queue.putBack([back])
  t.match(await errorOf(back.promise), { code: 'SERVICE_NOT_RUNNING' })
  queue.open()
  queue.enqueue(method())
  t.equal(queue.size, 1)
})

// The methods handed to a thread.

function newQueueOf(count: number, bytes: number): MethodQueue {
  const queue = newQueue({ maxBytes: count * bytes })
  for (let n = 0; n < count; n += 1) queue.enqueue(method({ bytes }))
  return queue
}

function attached(queue: MethodQueue, length: number) {
  const slots = new SlotTable(length)
  const posted: ControlMessage[] = []
  const handoff = new Handoff({
    queue,
    slots,
    numWorkers: 2,
    cancelGraceMs: () => 1_000,
    post: (messages) => posted.push(...messages),
    onOverdue: () => {},
    beginWithinMs: () => Infinity,
    onNothingBegun: () => {},
  })
  queue.attach(handoff)
  /** The thread's side: the messages posted by the end of this turn, and the table of slots. */
  const thread = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    return {
      runs: posted.filter((message): message is RunMessage => message.type === 'run'),
      slots: new SlotTable(slots.shared),
    }
  }
  return { handoff, posted, thread }
}

t.test(
  'a method that has begun is not taken back; a method that has not begun goes to the front of the queue',
  async (t) => {
    const queue = newQueue()
    const methods = Array.from({ length: 5 }, () => method())
    for (const one of methods) queue.enqueue(one)
    const { handoff, thread } = attached(queue, 3)
    const { runs, slots } = await thread()
    const [first, second] = runs as [RunMessage, RunMessage]
    t.equal(slots.begin(first.slot, first.sequence), true)
    handoff.close()
    t.strictSame(handoff.running, [methods[0]])
    t.equal(slots.begin(second.slot, second.sequence), false, 'the thread may not begin it any more')
    const taker = new Taker()
    queue.attach(taker)
    t.ok(
      taker.taken.every((one, index) => one === methods[index + 1]),
      'in the order they came',
    )
    t.equal(taker.taken.length, 4)
    handoff.abandon((one) => one.error('THREAD_DIED', 'test'))
  },
)

t.test('at 4 MiB of payloads a thread gets no more methods ahead, but always as many as it runs at once', async (t) => {
  const queue = newQueueOf(8, 1_000_000)
  const { handoff, thread } = attached(queue, 10)
  t.equal(handoff.load, 5)
  const [first] = (await thread()).runs
  handoff.receive({
    type: 'result',
    slot: first?.slot as number,
    sequence: first?.sequence as number,
    value: null,
    ranUs: 0,
  })
  t.equal(handoff.load, 5)
  handoff.abandon((one) => one.error('THREAD_DIED', 'test'))
  t.equal(queue.size, 7)
  const { handoff: other } = attached(newQueueOf(6, 10_000_000), 10)
  t.equal(other.load, 2)
  other.abandon((one) => one.error('THREAD_DIED', 'test'))
})

t.test('the batch of a turn is posted at sixteen methods; the rest at the end of the turn', async (t) => {
  const { handoff, posted } = attached(newQueueOf(40, 1), 64)
  t.equal(posted.length, 32)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(posted.length, 40)
  handoff.abandon((one) => one.error('THREAD_DIED', 'test'))
})

t.test('the late result of an abandoned attempt finds another sequence number in its slot', async (t) => {
  const queue = newQueue()
  const [cancelled, next] = [method(), method()]
  const { handoff, thread } = attached(queue, 1)
  queue.enqueue(cancelled)
  cancelled.abort('JOB_CANCELLED', 'test')
  queue.enqueue(next)
  const { runs } = await thread()
  const [late, right] = runs as [RunMessage, RunMessage]
  t.equal(late.slot, right.slot)
  handoff.receive({ type: 'result', slot: late.slot, sequence: late.sequence, value: 'late', ranUs: 0 })
  t.equal(next.settled, false)
  handoff.receive({ type: 'result', slot: right.slot, sequence: right.sequence, value: 'right', ranUs: 0 })
  t.equal(await next.promise, 'right')
})

t.test('recalled casts wait in the queue until they are rejected; then calls take their slots', async (t) => {
  const queue = newQueue()
  const { handoff, thread } = attached(queue, 1)
  const [cast, call] = [method({ kind: 'cast' }), method()]
  queue.enqueue(cast)
  queue.enqueue(call)
  t.equal(queue.size, 1)
  handoff.recall(['cast'])
  t.equal(queue.size, 2, 'it is not handed straight out again')
  queue.rejectAll((one) => one.error('SERVICE_NOT_RUNNING', 'the store has it'), ['cast'])
  t.match(await errorOf(cast.promise), { code: 'SERVICE_NOT_RUNNING' })
  t.equal(queue.size, 0)
  const { runs } = await thread()
  t.equal(runs.at(-1)?.job.id, call.job.id)
  handoff.abandon((one) => one.error('THREAD_DIED', 'test'))
  t.equal(queue.size, 1, 'it had not begun')
})
