/** The states of a job and its attempts, in every order that callers may ask for (P3). */
import type { Job } from '../../src/jobs/job.ts'
import { accept, acceptAll, DAY_MS, eventually, FAILED, failed, idsOf, taken } from '../sqlite/jobs.ts'
import { eachStore } from './stores.ts'

eachStore('a job that was accepted is queued, and keeps every option of its request', async (t, stores) => {
  const journal = await stores.open(t)
  const given = { priority: 7, maxAttempts: 9, traceparent: '00-a-b-01' }
  const payload = '{"deep": [{ "is": "ü" }]}'
  const { id } = await accept(journal, { ...given, payload })
  t.match(await journal.get(id), { id, service: 'mail', method: 'send', state: 'queued', ...given })
  const attempt = { id, method: 'send', payload, number: 1, expiresAt: null, lastError: null, ...given }
  t.strictSame(await journal.take('mail', 1, 1_000_000), [attempt])
  t.equal(await journal.get('unknown'), undefined)
})

eachStore('an attempt is counted when it begins, and its end is in the history', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await accept(journal)
  t.strictSame(await taken(journal), [id])
  const begun = (await journal.get(id)) as Job
  t.match(begun, { state: 'running', attempts: 1, startedAt: String })
  t.strictSame(begun.history, [{ number: 1, startedAt: begun.startedAt, ...stores.ofNode }])
  t.strictSame(await taken(journal), [], 'a running job is not taken again')
  t.equal(await journal.finish(id, 1, { state: 'succeeded', result: '{"sent":true}' }), true)
  const done = (await journal.get(id)) as Job
  t.match(done, { state: 'succeeded', result: '{"sent":true}', finishedAt: String, error: null })
  t.strictSame(done.history, [{ number: 1, startedAt: done.startedAt, endedAt: done.finishedAt, ...stores.ofNode }])
})

eachStore(
  'a failed attempt is followed by another one, not before its time, and each has its error',
  async (t, stores) => {
    const journal = await stores.open(t)
    const { id } = await accept(journal, { begin: true })
    const later = new Date(Date.now() + DAY_MS)
    t.equal(await journal.retry(id, 1, FAILED, later), true)
    t.match(await journal.get(id), { state: 'scheduled', notBefore: later.toISOString() })
    t.strictSame(await taken(journal), [], 'the job is not due yet')
    t.equal(await journal.nextDueAt('mail'), later.getTime())

    const { id: soon } = await accept(journal, { begin: true })
    await journal.retry(soon, 1, FAILED, new Date())
    t.match(await journal.take('mail', 9, 1_000_000), [{ id: soon, number: 2, lastError: FAILED }])
    t.equal(await journal.finish(soon, 2, { state: 'failed', error: FAILED }), true)
    const done = (await journal.get(soon)) as Job
    t.match(done, { state: 'failed', attempts: 2, error: FAILED })
    const [first, second] = done.history
    t.strictSame(first, {
      number: 1,
      startedAt: done.startedAt,
      endedAt: first?.endedAt,
      ...stores.ofNode,
      error: FAILED,
    })
    t.strictSame(second, {
      number: 2,
      startedAt: second?.startedAt,
      endedAt: done.finishedAt,
      ...stores.ofNode,
      error: FAILED,
    })
    t.match(first?.endedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  },
)

eachStore(
  'an attempt that did not begin in a thread is released uncounted, and its job keeps its place',
  async (t, stores) => {
    const journal = await stores.open(t)
    const [first = '', second = ''] = await acceptAll(journal, [{}, {}])
    t.strictSame(await taken(journal, 1), [first])
    t.equal(await journal.release(first, 1), true)
    const released = (await journal.get(first)) as Job
    t.match(released, { state: 'queued', attempts: 0, startedAt: null })
    t.strictSame(released.history, [])
    t.strictSame(await taken(journal), [first, second])
  },
)

eachStore('the late outcome of an abandoned attempt is refused by its number', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await accept(journal, { begin: true })
  await journal.retry(id, 1, FAILED, new Date())
  t.equal(
    await journal.finish(id, 1, { state: 'succeeded', result: '1' }),
    false,
    'while the job waits for its next attempt',
  )
  t.match(await journal.get(id), { state: 'scheduled', attempts: 1, finishedAt: null })
  t.strictSame(await taken(journal), [id])
  t.equal(await journal.finish(id, 1, { state: 'succeeded', result: '1' }), false, 'while the next attempt runs')
  t.equal(await journal.retry(id, 1, FAILED, new Date()), false)
  t.equal(await journal.release(id, 1), false)
  t.match(await journal.get(id), { state: 'running', attempts: 2 })
  t.equal(await journal.finish(id, 2, { state: 'succeeded', result: '2' }), true)
  t.equal(await journal.finish(id, 2, { state: 'failed', error: FAILED }), false, 'the job has its outcome')
  t.match(await journal.get(id), { state: 'succeeded', result: '2' })
})

eachStore('a waiting job can be cancelled, and then never begins', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await accept(journal)
  const error = { code: 'JOB_CANCELLED', message: 'the job was cancelled' }
  const cancelled = (await journal.cancel(id)) as Job
  t.match(cancelled, { id, state: 'cancelled', attempts: 0, finishedAt: String, error })
  t.strictSame(cancelled.history, [])
  t.strictSame(await journal.get(id), cancelled)
  t.strictSame(await taken(journal), [])

  const scheduled = await accept(journal, { begin: true })
  await journal.retry(scheduled.id, 1, FAILED, new Date(Date.now() + DAY_MS))
  t.match(await journal.cancel(scheduled.id), { state: 'cancelled', attempts: 1, history: [{ error: FAILED }], error })
})

eachStore('a job that waits for its time is run before it, and no other job is changed', async (t, stores) => {
  const store = await stores.open(t)
  const later = Date.now() + DAY_MS
  const { id } = await accept(store, { notBefore: later })
  const { id: retried } = await accept(store, { begin: true })
  await store.retry(retried, 1, FAILED, new Date(later))
  t.strictSame(await taken(store), [])
  for (const one of [id, retried]) {
    const job = (await store.runNow(one)) as Job
    t.match(job, { id: one, state: 'queued' })
    t.ok(Date.parse(job.notBefore ?? '') < later, 'its time is now')
  }
  t.strictSame(await taken(store), [id, retried])
  t.match(await store.runNow(id), { state: 'running', attempts: 1 })
  await store.finish(id, 1, { state: 'succeeded', result: '1' })
  t.match(await store.runNow(id), { state: 'succeeded' })
  t.equal(await store.runNow('unknown'), undefined)
})

eachStore('cancel changes no job that is running or finished', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await accept(journal, { begin: true })
  t.match(await journal.cancel(id), { id, state: 'running', finishedAt: null, error: null })
  t.equal(await journal.finish(id, 1, { state: 'succeeded', result: '1' }), true)
  t.match(await journal.cancel(id), { id, state: 'succeeded', result: '1', error: null })
  t.equal(await journal.cancel('unknown'), undefined)
})

eachStore('withdrawing an attempt ends its job, and counts the attempt only if it had begun', async (t, stores) => {
  const journal = await stores.open(t)
  const error = { code: 'JOB_CANCELLED', message: 'the job was cancelled' }
  const [unbegun = '', begun = ''] = await acceptAll(journal, [{ begin: true }, { begin: true }])
  t.equal(await journal.withdraw(unbegun, 1, { state: 'expired', error, begun: false }), true)
  const expired = (await journal.get(unbegun)) as Job
  t.match(expired, { state: 'expired', attempts: 0, startedAt: null, finishedAt: String, error })
  t.strictSame(expired.history, [])
  t.equal(await journal.withdraw(begun, 1, { state: 'cancelled', error, begun: true }), true)
  const cancelled = (await journal.get(begun)) as Job
  t.match(cancelled, { state: 'cancelled', attempts: 1, startedAt: String, error })
  t.match(cancelled.history, [{ number: 1, endedAt: cancelled.finishedAt, error }])
  t.strictSame(await taken(journal), [], 'a withdrawn job is not taken')

  const { id } = await accept(journal, { begin: true })
  await journal.retry(id, 1, FAILED, new Date())
  const withdrawal = { state: 'cancelled', error, begun: false } as const
  t.equal(await journal.withdraw(id, 1, withdrawal), false, 'the job waits')
  t.strictSame(await taken(journal), [id])
  t.equal(await journal.withdraw(id, 1, withdrawal), false, 'that attempt has ended')
  t.equal(await journal.withdraw(id, 2, withdrawal), true)
  const again = (await journal.get(id)) as Job
  t.match(again, { state: 'cancelled', attempts: 1, startedAt: String })
  t.match(again.history, [{ number: 1, error: FAILED }])
  t.equal(again.history.length, 1)
  t.equal(await journal.withdraw(id, 1, withdrawal), false, 'the job has its outcome')
})

eachStore('a failed job is queued again, with as many attempts as at first and with its history', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await failed(journal)
  t.match(await journal.requeue(id), { state: 'queued', attempts: 1, maxAttempts: 4, error: null, finishedAt: null })
  t.match(await journal.take('mail', 1, 1_000_000), [{ id, number: 2, lastError: FAILED }])
  const { history } = (await journal.get(id)) as Job
  t.match(history, [{ number: 1, startedAt: String, endedAt: String, error: FAILED }, { number: 2 }])
  await journal.finish(id, 2, { state: 'succeeded', result: '1' })
  t.match(await journal.requeue(id), { state: 'succeeded' }, 'a job that succeeded is not changed')
  await t.rejects(journal.requeue('unknown'), { code: 'JOB_NOT_FOUND' })
})

eachStore('a job has as many attempts as at first, however often it is queued again', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await accept(journal, { maxAttempts: 2, begin: true })
  for (let attempt = 1; attempt < 4; attempt += 1) {
    await journal.finish(id, attempt, { state: 'failed', error: FAILED })
    t.match(await journal.requeue(id), { attempts: attempt, maxAttempts: attempt + 2 })
    t.match(await journal.take('mail', 1, 1_000_000), [{ id, maxAttempts: attempt + 2 }])
  }
})

eachStore('the waiting jobs of a service are cancelled in steps, and its running jobs are not', async (t, stores) => {
  const journal = await stores.open(t)
  const running = await accept(journal, { begin: true })
  const waiting = await acceptAll(journal, [{}, { method: 'sort' }, { notBefore: Date.now() + DAY_MS }])
  const other = await accept(journal, { service: 'other' })
  const cancelled = await journal.cancelWaiting('mail', 2)
  t.equal(cancelled.length, 2)
  cancelled.push(...(await journal.cancelWaiting('mail', 2)))
  t.strictSame(idsOf(cancelled).sort(), [...waiting].sort())
  for (const id of waiting) t.match(await journal.get(id), { state: 'cancelled', error: { code: 'JOB_CANCELLED' } })
  t.match(await journal.get(running.id), { state: 'running' })
  t.match(await journal.get(other.id), { state: 'queued' })
})

eachStore(
  'the failed jobs of a service are queued again in steps, except those that failed after the given time',
  async (t, stores) => {
    const journal = await stores.open(t)
    for (let count = 0; count < 5; count += 1) await failed(journal)
    const other = await failed(journal, { service: 'other' })
    const by = Date.now()
    t.equal(await journal.requeueFailed('mail', 3, by), 3)
    t.equal(await journal.requeueFailed('mail', 3, by), 2)
    await eventually(() => Date.now() > by)
    await failed(journal)
    t.equal(await journal.requeueFailed('mail', 3, by), 0)
    t.match(await journal.get(other.id), { state: 'failed' })
  },
)

eachStore('a waiting job expires after its time, and is not taken', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await accept(journal, { expiresAt: Date.now() - 1_000 })
  const { id: lasting } = await accept(journal, { expiresAt: Date.now() + DAY_MS })
  t.strictSame(await taken(journal), [lasting])
  t.match(await journal.expire(), [{ id, service: 'mail', method: 'send', attempts: 0 }])
  t.match(await journal.get(id), { state: 'expired', error: { code: 'JOB_EXPIRED' } })
  t.strictSame(await journal.expire(), [])
})

eachStore(
  'take answers by priority, 9 first, then by acceptance, and scheduled jobs as soon as they are due',
  async (t, stores) => {
    const journal = await stores.open(t)
    const [a, b, c, d] = await acceptAll(journal, [{}, { priority: 9 }, { priority: 0 }, {}])
    const [past] = await acceptAll(journal, [{ notBefore: Date.now() - 1, priority: 9 }])
    await acceptAll(journal, [{ notBefore: Date.now() + DAY_MS, priority: 9 }, { service: 'other' }])
    t.strictSame(await taken(journal, 3), [b, past, a])
    t.strictSame(await taken(journal), [d, c])
  },
)

eachStore('take stops when the payloads together have reached the wanted size', async (t, stores) => {
  const journal = await stores.open(t)
  const payloads = ['"ü"', '"ü"', JSON.stringify('x'.repeat(1_000)), '1']
  const [a, b, c, d] = await acceptAll(
    journal,
    payloads.map((payload) => ({ payload })),
  )
  t.strictSame(idsOf(await journal.take('mail', 9, 1)), [a], 'at least one job is taken')
  t.strictSame(idsOf(await journal.take('mail', 9, 5)), [b, c], 'bytes are counted, not characters')
  t.strictSame(idsOf(await journal.take('mail', 9, 1_000)), [d])
})

eachStore('of more than a hundred attempts the history keeps the last hundred', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await accept(journal, { maxAttempts: 1_000 })
  for (let attempt = 1; attempt <= 105; attempt += 1) {
    await journal.take('mail', 1, 1_000_000)
    await journal.retry(id, attempt, FAILED, new Date())
  }
  const { history, attempts } = (await journal.get(id)) as Job
  t.equal(attempts, 105)
  t.equal(history.length, 100)
  t.match(history.at(-1), { number: 105, error: FAILED })
})

eachStore('a job can be removed', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await failed(journal)
  await journal.remove(id)
  t.equal(await journal.get(id), undefined)
})

eachStore('progress is shown while its attempt runs', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await accept(journal, { begin: true })
  journal.progress(id, 1, { fraction: 0.5, note: 'half' })
  t.match(await journal.get(id), { progress: { fraction: 0.5, note: 'half' } })
  t.match((await journal.list({ limit: 1 })).items, [{ progress: { fraction: 0.5 } }])
  await journal.retry(id, 1, FAILED, new Date())
  t.match(await journal.get(id), { progress: null })
})

eachStore('a job whose last attempt ran when the server ended has failed for that reason', async (t, stores) => {
  const first = await stores.open(t)
  const { id } = await accept(first, { maxAttempts: 1, begin: true })
  const journal = await stores.reopened(t, first)
  t.match(await journal.get(id), {
    state: 'failed',
    attempts: 1,
    error: { code: 'THREAD_DIED', reason: 'SERVER_ENDED' },
  })
})
