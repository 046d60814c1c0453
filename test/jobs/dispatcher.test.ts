/**
 * The dispatcher over a store that answers in any order, and a service whose methods the test runs: what it relies on is
 * what `JobStore` promises, not what SQLite does beyond that.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Deferred } from '../../src/async/deferred.ts'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import { Dispatcher } from '../../src/jobs/dispatcher.ts'
import { isFinished, type Job } from '../../src/jobs/job.ts'
import { timings } from '../../src/jobs/timings.ts'
import { eventually, log } from '../sqlite/jobs.ts'
import { MemoryStore, type Operation } from './memory-store.ts'
import { Target } from './target.ts'

interface Rig {
  store: MemoryStore
  target: Target
  dispatcher: Dispatcher
  cast: () => Promise<Job>
}

async function rig(t: Test): Promise<Rig> {
  const store = new MemoryStore()
  const target = new Target()
  const dispatcher = new Dispatcher(store, log)
  t.teardown(() => dispatcher.close())
  dispatcher.serve(target)
  const cast = async () => {
    const [accepted] = await dispatcher.cast(target, [{ method: 'send', payload: '{}', options: { maxAttempts: 3 } }])
    return (accepted as { job: Job }).job
  }
  // The feed has found out that no job waits.
  await nextTurn()
  return { store, target, dispatcher, cast }
}

/** Holds back the next effect, or the next answer, of an operation. `go` lets it continue. */
function holdNext(
  store: MemoryStore,
  when: 'before' | 'after',
  operation: Operation,
): { held: Promise<void>; go: () => void } {
  const [held, gate] = [new Deferred<void>(), new Deferred<void>()]
  const usual = store[when]
  store[when] = async (each) => {
    if (each !== operation) return usual(each)
    store[when] = usual
    held.resolve()
    await gate.promise
  }
  return { held: held.promise, go: () => gate.resolve() }
}

/** Casts a job whose attempt is begun by `take`, and holds the answer of that back. */
async function castAndHold({ store, cast }: Rig): Promise<{ id: string; go: () => void }> {
  const taking = holdNext(store, 'before', 'take')
  store.declines = true
  const { id } = await cast()
  await taking.held
  store.declines = false
  const { held, go } = holdNext(store, 'after', 'take')
  taking.go()
  await held
  return { id, go }
}

const failure = () => new ThreadplaneError('METHOD_FAILED', 'no such mailbox', { started: true })

t.test('an attempt that the store declines to begin is not run, and its room is given back', async (t) => {
  const { store, target, cast } = await rig(t)
  await cast()
  t.equal(target.runs.length, 1, 'an attempt that the store has begun is run')
  target.runs[0]?.queued.succeed('1')
  store.declines = true
  const declined = await Promise.all(Array.from({ length: 10 }, () => cast()))
  for (const job of declined) t.match(job, { state: 'queued', attempts: 0 })
  t.equal(target.runs.length, 1)
  store.declines = false
  target.onRun = ({ queued }) => void setImmediate(() => queued.succeed('1'))
  await eventually(() => store.jobs.every(isFinished))
  t.equal(target.runs.length, 11, 'each job was run once, and there was room for all of them')
  t.ok(store.jobs.every(({ state, attempts }) => state === 'succeeded' && attempts === 1))
})

t.test('a job can be cancelled while the answer that its attempt has begun is under way', async (t) => {
  const made = await rig(t)
  const { target, dispatcher } = made
  const { id, go } = await castAndHold(made)
  t.match(await dispatcher.get(id), { state: 'running', attempts: 1 })
  const cancelled = dispatcher.cancel(id)
  await nextTurn()
  go()
  t.match(await cancelled, { state: 'cancelled', attempts: 0, history: [] })
  t.equal(target.runs.length, 1)
  t.ok(target.runs[0]?.queued.settled, 'the attempt was cancelled before it could begin')
})

t.test('of two clients that cancel a job the second cancels it, though the store refuses the first', async (t) => {
  const made = await rig(t)
  const { store, dispatcher } = made
  const { id, go } = await castAndHold(made)
  const { before } = store
  store.before = async () => {
    store.before = before
    throw new ThreadplaneError('JOURNAL_UNAVAILABLE', 'the disk is full')
  }
  const refused = dispatcher.cancel(id)
  const cancelled = dispatcher.cancel(id)
  await t.rejects(refused, { code: 'JOURNAL_UNAVAILABLE' })
  go()
  t.match(await cancelled, { state: 'cancelled', attempts: 0 })
})

t.test('a job can be cancelled while the answer that it waits for its next attempt is under way', async (t) => {
  const { store, target, dispatcher, cast } = await rig(t)
  const { id } = await cast()
  const retrying = holdNext(store, 'after', 'retry')
  target.runs[0]?.begin()
  target.runs[0]?.queued.fail(failure())
  await retrying.held
  const cancelled = dispatcher.cancel(id)
  await nextTurn()
  retrying.go()
  t.match(await cancelled, { id, state: 'cancelled', attempts: 1 })
  t.equal(target.runs.length, 1, 'the job did not run again')
})

for (const when of ['before', 'after']) {
  t.test(
    `a job can be cancelled ${when} its next attempt begins, while the answer about the first one is late`,
    async (t) => {
      const { store, target, dispatcher, cast } = await rig(t)
      const { id } = await cast()
      const retrying = holdNext(store, 'after', 'retry')
      target.runs[0]?.begin()
      target.runs[0]?.queued.fail(failure())
      await retrying.held
      const cancelled = when === 'before' ? dispatcher.cancel(id) : undefined
      const second = () => target.runs.find((run) => run.id === id && run.number === 2)
      // A job that waits makes the feed ask for all jobs that are due.
      store.declines = true
      await cast()
      store.declines = false
      await eventually(second)
      const job = await (cancelled ?? dispatcher.cancel(id))
      retrying.go()
      t.match(job, { id, state: 'cancelled', attempts: 1 })
      t.ok(second()?.queued.settled)
      await nextTurn()
      t.match(await dispatcher.get(id), { state: 'cancelled', attempts: 1 })
    },
  )
}

t.test('a job is shown as the store answered it, though its next attempt has begun meanwhile', async (t) => {
  const { store, target, dispatcher, cast } = await rig(t)
  const { id } = await cast()
  target.runs[0]?.begin()
  const getting = holdNext(store, 'after', 'get')
  const shown = dispatcher.get(id)
  await getting.held
  target.runs[0]?.queued.fail(failure())
  await eventually(() => target.runs.find((run) => run.id === id && run.number === 2))
  getting.go()
  t.match(await shown, { state: 'running', attempts: 1 })
})

t.test('a finished job and an unknown one cannot be cancelled', async (t) => {
  const { store, target, dispatcher, cast } = await rig(t)
  const { id } = await cast()
  target.runs[0]?.queued.succeed('1')
  await eventually(() => store.jobs.every(isFinished))
  await t.rejects(dispatcher.cancel(id), { code: 'CONFLICT' })
  await t.rejects(dispatcher.cancel('unknown'), { code: 'JOB_NOT_FOUND' })
  store.declines = true
  const waiting = await cast()
  t.match(await dispatcher.cancel(waiting.id), { state: 'cancelled', attempts: 0 })
  t.match(await dispatcher.cancel(waiting.id), { state: 'cancelled' }, 'a second time')
})

t.test('a job that is accepted while the feed asks the store is run', async (t) => {
  for (const operation of ['take', 'nextDueAt'] as const) {
    const { store, target, cast } = await rig(t)
    target.onRun = ({ queued }) => void setImmediate(() => queued.succeed('1'))
    const asking = holdNext(store, 'after', operation)
    store.declines = true
    await cast()
    await asking.held
    await cast()
    store.declines = false
    asking.go()
    await eventually(() => store.jobs.every(isFinished))
  }
})

/** A random number generator whose sequence depends only on the seed. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

t.test('each job has one outcome, and no attempt begins twice, whatever the order of the answers', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = randomOf(seed)
    const turns = async () => {
      for (let left = Math.floor(random() * 4); left > 0; left -= 1) await nextTurn()
    }
    const { store, target, dispatcher, cast } = await rig(t)
    store.before = turns
    store.after = turns
    const begun: string[] = []
    const ranAfterCancel: string[] = []
    const cancelled = new Set<string>()
    target.onRun = async ({ id, number, queued, begin }) => {
      await turns()
      if (queued.settled) return
      if (random() < 0.2) {
        queued.fail(new ThreadplaneError('SERVICE_NOT_RUNNING', 'stopped', { started: false }))
        return
      }
      begin()
      begun.push(`${id} ${number}`)
      if (cancelled.has(id)) ranAfterCancel.push(id)
      await turns()
      if (random() < 0.6) queued.succeed('1')
      else queued.fail(failure())
    }
    const clients = Array.from({ length: 40 }, async () => {
      await turns()
      store.declines = random() < 0.2
      const { id } = await cast()
      if (random() < 0.5) return
      await turns()
      const answer = await dispatcher.cancel(id).catch((error: unknown) => error)
      if ((answer as Job).state === 'cancelled') cancelled.add(id)
    })
    await Promise.all(clients)
    store.declines = false
    await eventually(() => store.jobs.every(isFinished))
    t.equal(store.jobs.length, 40)
    const states = new Map(store.jobs.map(({ id, state }) => [id, state]))
    t.ok(
      [...cancelled].every((id) => states.get(id) === 'cancelled'),
      `seed ${seed}: a job that was answered as cancelled stays so`,
    )
    t.strictSame(ranAfterCancel, [], `seed ${seed}: and does not run`)
    t.equal(new Set(begun).size, begun.length, `seed ${seed}: no attempt has begun twice`)
    t.ok(
      target.runs.every(({ queued }) => queued.settled),
      `seed ${seed}: no attempt is left`,
    )
  }
})

t.test('a client is told if the store does not answer; what it asked for is done when the store answers', async (t) => {
  const usual = timings.storeAnswersWithinMs
  timings.storeAnswersWithinMs = 50
  t.teardown(() => {
    timings.storeAnswersWithinMs = usual
  })
  const { store, target, cast } = await rig(t)
  const { held, go } = holdNext(store, 'before', 'accept')
  let refused: unknown
  cast().catch((error: unknown) => {
    refused = error
  })
  await held
  await eventually(() => refused !== undefined)
  t.match(refused, { code: 'JOURNAL_UNAVAILABLE', message: /has not answered within 50 ms/ })
  go()
  await eventually(() => target.runs.length === 1)
})

t.test('a tick waits for the store as long as it takes, and its job is stored once', async (t) => {
  const usual = timings.storeAnswersWithinMs
  timings.storeAnswersWithinMs = 0
  t.teardown(() => {
    timings.storeAnswersWithinMs = usual
  })
  const { store, target, dispatcher } = await rig(t)
  const { held, go } = holdNext(store, 'before', 'accept')
  const tick = { service: target.name, name: 'hourly', at: 0 }
  const casting = dispatcher.castTick(target, { method: 'send', payload: '{}', options: { tick } })
  await held
  dispatcher.deadline.sweep()
  go()
  await casting
  t.equal(store.jobs.length, 1)
  t.equal(target.runs.length, 1)
})
