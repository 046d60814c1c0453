/** The journal over real files: what it was told is there, in every state, order and accident that DESIGN P2 and P3 name. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { open, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import type { Job, JobState } from '../../src/jobs/job.ts'
import type { AcceptRequest, Idempotency } from '../../src/jobs/job-store.ts'
import type { Journal, JournalOptions } from '../../src/sqlite/journal.ts'
import { JournalFile } from '../../src/sqlite/database-file.ts'
import { MIGRATIONS } from '../../src/sqlite/migrations.ts'
import { accept, acceptAll, DAY_MS, eventually, kill, openJournal, request } from './jobs.ts'

const FAILED = { code: 'METHOD_FAILED', message: 'no such mailbox' }

/** A journal in a folder of its own, closed when the test ends. */
async function fresh(t: Test, options: Partial<JournalOptions> = {}): Promise<Journal> {
  const journal = await openJournal(t.testdir(), options)
  t.teardown(() => journal.close())
  return journal
}

const ids = (jobs: { id: string }[]) => jobs.map(({ id }) => id)

/** Begins an attempt of each. */
async function taken(journal: Journal, limit = 100): Promise<string[]> {
  return ids(await journal.take('mail', limit, 1_000_000))
}

async function failed(journal: Journal, facts: Partial<AcceptRequest> = {}): Promise<Job> {
  const { id } = await accept(journal, { ...facts, begin: true })
  await journal.finish(id, 1, { state: 'failed', error: FAILED })
  return (await journal.get(id)) as Job
}

t.test('a job that was accepted is queued, with all it was given', async (t) => {
  const journal = await fresh(t)
  const given = { priority: 7, maxAttempts: 9, traceparent: '00-a-b-01' }
  const payload = '{"deep": [{ "is": "ü" }]}'
  const { id } = await accept(journal, { ...given, payload })
  t.match(await journal.get(id), { id, service: 'mail', method: 'send', state: 'queued', ...given })
  const attempt = { id, method: 'send', payload, number: 1, expiresAt: null, lastError: null, ...given }
  t.strictSame(await journal.take('mail', 1, 1_000_000), [attempt])
  t.equal(await journal.get('unknown'), undefined)
})

t.test('an attempt is counted when it begins, and its end is in the history', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal)
  t.strictSame(await taken(journal), [id])
  const begun = (await journal.get(id)) as Job
  t.match(begun, { state: 'running', attempts: 1, startedAt: String })
  t.strictSame(begun.history, [{ number: 1, startedAt: begun.startedAt }])
  t.strictSame(await taken(journal), [], 'it does not wait any more')
  t.equal(await journal.finish(id, 1, { state: 'succeeded', result: '{"sent":true}' }), true)
  const done = (await journal.get(id)) as Job
  t.match(done, { state: 'succeeded', result: '{"sent":true}', finishedAt: String, error: null })
  t.strictSame(done.history, [{ number: 1, startedAt: done.startedAt, endedAt: done.finishedAt }])
})

t.test('a job may begin in the transaction that accepts it', async (t) => {
  const journal = await fresh(t)
  t.match(await accept(journal, { begin: true }), { state: 'running', attempts: 1, history: [{ number: 1 }] })
  t.strictSame(await taken(journal), [])
})

t.test('a failed attempt is followed by another, not before its time, and each has its error', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal, { begin: true })
  const later = new Date(Date.now() + DAY_MS)
  t.equal(await journal.retry(id, 1, FAILED, later), true)
  t.match(await journal.get(id), { state: 'scheduled', notBefore: later.toISOString() })
  t.strictSame(await taken(journal), [], 'it is not due yet')
  t.equal(await journal.nextDueAt('mail'), later.getTime())

  const { id: soon } = await accept(journal, { begin: true })
  await journal.retry(soon, 1, FAILED, new Date())
  t.match(await journal.take('mail', 9, 1_000_000), [{ id: soon, number: 2, lastError: FAILED }])
  t.equal(await journal.finish(soon, 2, { state: 'failed', error: FAILED }), true)
  const done = (await journal.get(soon)) as Job
  t.match(done, { state: 'failed', attempts: 2, error: FAILED })
  const [first, second] = done.history
  t.strictSame(first, { number: 1, startedAt: done.startedAt, endedAt: first?.endedAt, error: FAILED })
  t.strictSame(second, { number: 2, startedAt: second?.startedAt, endedAt: done.finishedAt, error: FAILED })
  t.match(first?.endedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})

t.test('an attempt that the thread never began goes back uncounted, and keeps its place', async (t) => {
  const journal = await fresh(t)
  const [first = '', second = ''] = await acceptAll(journal, [{}, {}])
  t.strictSame(await taken(journal, 1), [first])
  t.equal(await journal.release(first, 1), true)
  const released = (await journal.get(first)) as Job
  t.match(released, { state: 'queued', attempts: 0, startedAt: null })
  t.strictSame(released.history, [])
  t.strictSame(await taken(journal), [first, second])
})

t.test('what an abandoned attempt says is refused by its number', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal, { begin: true })
  await journal.retry(id, 1, FAILED, new Date())
  t.equal(await journal.finish(id, 1, { state: 'succeeded', result: '1' }), false, 'while it waits for the next')
  t.match(await journal.get(id), { state: 'scheduled', attempts: 1, finishedAt: null })
  t.strictSame(await taken(journal), [id])
  t.equal(await journal.finish(id, 1, { state: 'succeeded', result: '1' }), false, 'while the next runs')
  t.equal(await journal.retry(id, 1, FAILED, new Date()), false)
  t.equal(await journal.release(id, 1), false)
  t.match(await journal.get(id), { state: 'running', attempts: 2 })
  t.equal(await journal.finish(id, 2, { state: 'succeeded', result: '2' }), true)
  t.equal(await journal.finish(id, 2, { state: 'failed', error: FAILED }), false, 'it has its outcome')
  t.match(await journal.get(id), { state: 'succeeded', result: '2' })
})

t.test('a job that waits can be cancelled, and does not begin any more', async (t) => {
  const journal = await fresh(t)
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

t.test('cancel changes no job that runs or has finished', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal, { begin: true })
  t.match(await journal.cancel(id), { id, state: 'running', finishedAt: null, error: null })
  t.equal(await journal.finish(id, 1, { state: 'succeeded', result: '1' }), true)
  t.match(await journal.cancel(id), { id, state: 'succeeded', result: '1', error: null })
  t.equal(await journal.cancel('unknown'), undefined)
})

t.test('an attempt that is withdrawn ends its job, and counts only if it has begun', async (t) => {
  const journal = await fresh(t)
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
  t.strictSame(await taken(journal), [], 'nobody takes a job that was withdrawn')

  const { id } = await accept(journal, { begin: true })
  await journal.retry(id, 1, FAILED, new Date())
  const withdrawal = { state: 'cancelled', error, begun: false } as const
  t.equal(await journal.withdraw(id, 1, withdrawal), false, 'it waits')
  t.strictSame(await taken(journal), [id])
  t.equal(await journal.withdraw(id, 1, withdrawal), false, 'that attempt is over')
  t.equal(await journal.withdraw(id, 2, withdrawal), true)
  const again = (await journal.get(id)) as Job
  t.match(again, { state: 'cancelled', attempts: 1, startedAt: String })
  t.match(again.history, [{ number: 1, error: FAILED }])
  t.equal(again.history.length, 1)
  t.equal(await journal.withdraw(id, 1, withdrawal), false, 'it has its outcome')
})

t.test('a job that failed is queued anew, with as many attempts again and its history', async (t) => {
  const journal = await fresh(t)
  const { id } = await failed(journal)
  t.match(await journal.requeue(id), { state: 'queued', attempts: 1, maxAttempts: 4, error: null, finishedAt: null })
  t.match(await journal.take('mail', 1, 1_000_000), [{ id, number: 2, lastError: FAILED }])
  const { history } = (await journal.get(id)) as Job
  t.match(history, [{ number: 1, startedAt: String, endedAt: String, error: FAILED }, { number: 2 }])
  await journal.finish(id, 2, { state: 'succeeded', result: '1' })
  t.match(await journal.requeue(id), { state: 'succeeded' }, 'one that succeeded stays as it is')
  await t.rejects(journal.requeue('unknown'), { code: 'JOB_NOT_FOUND' })
})

t.test('a job has as many attempts again as at first, however often it is queued anew', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal, { maxAttempts: 2, begin: true })
  for (let attempt = 1; attempt < 4; attempt += 1) {
    await journal.finish(id, attempt, { state: 'failed', error: FAILED })
    t.match(await journal.requeue(id), { attempts: attempt, maxAttempts: attempt + 2 })
    t.match(await journal.take('mail', 1, 1_000_000), [{ id, maxAttempts: attempt + 2 }])
  }
})

t.test('what waits of a service is cancelled in steps, and what runs is not', async (t) => {
  const journal = await fresh(t)
  const running = await accept(journal, { begin: true })
  const waiting = await acceptAll(journal, [{}, { method: 'sort' }, { notBefore: Date.now() + DAY_MS }])
  const other = await accept(journal, { service: 'other' })
  const cancelled = await journal.cancelWaiting('mail', 2)
  t.equal(cancelled.length, 2)
  cancelled.push(...(await journal.cancelWaiting('mail', 2)))
  t.strictSame(cancelled.sort(), [...waiting].sort())
  for (const id of waiting) t.match(await journal.get(id), { state: 'cancelled', error: { code: 'JOB_CANCELLED' } })
  t.match(await journal.get(running.id), { state: 'running' })
  t.match(await journal.get(other.id), { state: 'queued' })
})

t.test('the failed jobs of a service are queued anew in steps, and only those that had failed by then', async (t) => {
  const journal = await fresh(t)
  for (let count = 0; count < 5; count += 1) await failed(journal)
  const other = await failed(journal, { service: 'other' })
  const by = Date.now()
  t.equal(await journal.requeueFailed('mail', 3, by), 3)
  t.equal(await journal.requeueFailed('mail', 3, by), 2)
  await eventually(() => Date.now() > by)
  await failed(journal)
  t.equal(await journal.requeueFailed('mail', 3, by), 0)
  t.match(await journal.get(other.id), { state: 'failed' })
})

t.test('a job that has waited past its time expires, and is not handed out', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal, { expiresAt: Date.now() - 1_000 })
  const { id: lasting } = await accept(journal, { expiresAt: Date.now() + DAY_MS })
  t.strictSame(await taken(journal), [lasting])
  t.strictSame(await journal.expire(), [id])
  t.match(await journal.get(id), { state: 'expired', error: { code: 'JOB_EXPIRED' } })
  t.strictSame(await journal.expire(), [])
})

t.test('taken: 9 before 0, first in first out within one, scheduled ones when their time has come', async (t) => {
  const journal = await fresh(t)
  const [a, b, c, d] = await acceptAll(journal, [{}, { priority: 9 }, { priority: 0 }, {}])
  const [past] = await acceptAll(journal, [{ notBefore: Date.now() - 1, priority: 9 }])
  await acceptAll(journal, [{ notBefore: Date.now() + DAY_MS, priority: 9 }, { service: 'other' }])
  t.strictSame(await taken(journal, 3), [b, past, a])
  t.strictSame(await taken(journal), [d, c])
})

t.test('taken: no more once the payloads of those before are as large as is wanted', async (t) => {
  const journal = await fresh(t)
  const payloads = ['"ü"', '"ü"', JSON.stringify('x'.repeat(1_000)), '1']
  const [a, b, c, d] = await acceptAll(
    journal,
    payloads.map((payload) => ({ payload })),
  )
  t.strictSame(ids(await journal.take('mail', 9, 1)), [a], 'one at least')
  t.strictSame(ids(await journal.take('mail', 9, 5)), [b, c], 'bytes, not characters')
  t.strictSame(ids(await journal.take('mail', 9, 1_000)), [d])
})

t.test('lists come newest first in pages, by service, method and state in any combination', async (t) => {
  const journal = await fresh(t)
  const services = ['mail', 'mail', 'other']
  const methods = ['send', 'sort', 'send', 'drop']
  const facts = Array.from({ length: 60 }, (_, index) => ({
    service: services[index % 3] as string,
    method: methods[index % 4] as string,
    begin: index % 5 <= 2,
  }))
  const all = await acceptAll(journal, facts)
  const state = new Map<string, JobState>(all.map((id) => [id, 'queued']))
  for (const [index, id] of all.entries()) {
    if (index % 5 > 2) continue
    state.set(id, 'running')
    if (index % 5 > 1) continue
    await journal.finish(
      id,
      1,
      index % 5 === 0 ? { state: 'succeeded', result: '1' } : { state: 'failed', error: FAILED },
    )
    state.set(id, index % 5 === 0 ? 'succeeded' : 'failed')
  }
  const newest = all.map((id, index) => ({ id, ...facts[index] })).reverse()
  const some = <T>(...values: T[]) => [undefined, ...values]
  for (const service of some('mail', 'other', 'none')) {
    for (const method of some('send', 'drop', 'none')) {
      for (const wanted of some<JobState>('queued', 'running', 'succeeded', 'failed', 'expired')) {
        const filter = {
          limit: 7,
          ...(service !== undefined && { service }),
          ...(method !== undefined && { method }),
          ...(wanted !== undefined && { states: [wanted] }),
        }
        const listed: string[] = []
        let page = await journal.list(filter)
        listed.push(...ids(page.items))
        while (page.nextCursor !== null) {
          page = await journal.list({ ...filter, cursor: page.nextCursor })
          listed.push(...ids(page.items))
        }
        const expected = newest.filter(
          (job) =>
            (service ?? job.service) === job.service &&
            (method ?? job.method) === job.method &&
            (wanted ?? state.get(job.id)) === state.get(job.id),
        )
        t.strictSame(
          listed,
          expected.map(({ id }) => id),
          JSON.stringify(filter),
        )
      }
    }
  }
})

t.test('progress is shown while its attempt runs', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal, { begin: true })
  journal.progress(id, 1, { fraction: 0.5, note: 'half' })
  t.match(await journal.get(id), { progress: { fraction: 0.5, note: 'half' } })
  t.match((await journal.list({ limit: 1 })).items, [{ progress: { fraction: 0.5 } }])
  await journal.retry(id, 1, FAILED, new Date())
  t.match(await journal.get(id), { progress: null })
})

t.test('of a job with a hundred attempts and more the last hundred are kept', async (t) => {
  const journal = await fresh(t)
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

t.test('a job is forgotten when it is told to be', async (t) => {
  const journal = await fresh(t)
  const { id } = await failed(journal)
  await journal.remove(id)
  t.equal(await journal.get(id), undefined)
})

t.test('one bad row does not spoil its group', async (t) => {
  const journal = await fresh(t)
  const first = await accept(journal)
  const results = await Promise.allSettled([
    accept(journal),
    accept(journal, { id: first.id }),
    accept(journal, { payload: null as unknown as string }),
    accept(journal, { service: null as unknown as string }),
    accept(journal),
  ])
  t.strictSame(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled'],
  )
  t.equal((await journal.list({ limit: 10 })).items.length, 3)
})

function key(facts: Partial<Idempotency> = {}): { idempotency: Idempotency } {
  return { idempotency: { scope: 'mail/send/1', fingerprint: 'a', expiresAt: Date.now() + DAY_MS, ...facts } }
}

t.test('a key used again is the first job again, and with another payload a mismatch', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal, key())
  const again = (more: Partial<Idempotency>) => journal.accept([request({ begin: true, ...key(more) })])
  t.match(await again({}), [{ kind: 'duplicate', job: { id, state: 'queued' }, keyExpiresAt: Number }])
  t.match(await again({ fingerprint: 'b' }), [{ kind: 'mismatch', jobId: id }])
  t.match(await again({ scope: 'mail/send/2' }), [{ kind: 'new' }])
  t.equal((await journal.list({ limit: 10 })).items.length, 2)
})

t.test('a key that has expired is a new one', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal, key({ expiresAt: Date.now() - 1 }))
  const [second] = await journal.accept([request(key())])
  t.match(second, { kind: 'new' })
  t.not((second as { job: Job }).job.id, id)
})

t.test('a hundred at once with one key are one job', async (t) => {
  const journal = await fresh(t)
  const answers = await Promise.all(Array.from({ length: 100 }, () => journal.accept([request(key())])))
  const kinds = answers.flat().map(({ kind }) => kind)
  t.equal(kinds.filter((kind) => kind === 'new').length, 1)
  t.equal(kinds.filter((kind) => kind === 'duplicate').length, 99)
  t.equal(new Set(answers.flat().map((answer) => (answer as { job: Job }).job.id)).size, 1)
})

t.test('a key is remembered across a restart, and its job not forgotten before it', async (t) => {
  const folder = t.testdir()
  const first = await openJournal(folder)
  const { id } = await accept(first, { begin: true, ...key() })
  await first.finish(id, 1, { state: 'succeeded', result: '1' })
  await first.close()

  const journal = await openJournal(folder, { keepJobsMs: 0 })
  t.teardown(() => journal.close())
  const { id: keyless } = await failed(journal)
  await eventually(async () => (await journal.get(keyless)) === undefined)
  t.match(await journal.accept([request(key())]), [{ kind: 'duplicate', job: { id } }])
  await t.rejects(journal.remove(id), { code: 'CONFLICT', message: /until its idempotency key expires/ })
})

t.test('a job that was kept for its key only goes with it', async (t) => {
  const journal = await fresh(t, { keepJobsMs: 0 })
  const expiresAt = Date.now() + 3_000
  const { id } = await accept(journal, { begin: true, ...key({ expiresAt }) })
  await journal.finish(id, 1, { state: 'succeeded', result: '1' })
  const keyless = await failed(journal)
  await eventually(async () => (await journal.get(keyless.id)) === undefined)
  const { id: later } = await failed(journal)
  await eventually(async () => (await journal.get(later)) === undefined)
  if (Date.now() < expiresAt) t.match(await journal.get(id), { state: 'succeeded' })
  await eventually(async () => (await journal.get(id)) === undefined)
  t.ok(Date.now() >= expiresAt)
})

t.test('a tick of a schedule and its job are kept together', async (t) => {
  const journal = await fresh(t)
  const schedule = { service: 'mail', name: 'daily', cron: '0 3 * * *', timezone: 'UTC', method: 'send', payload: [1] }
  await journal.putSchedule({ ...schedule, createdAt: 1, lastTickAt: null })
  await accept(journal, { tick: { service: 'mail', name: 'daily', at: 7 } })
  t.strictSame(await journal.schedules(), [{ ...schedule, createdAt: 1, lastTickAt: 7 }])
  await journal.removeSchedule('mail', 'daily')
  t.strictSame(await journal.schedules(), [])
})

/** A process that fills the journal of a folder; what it said so far was on disk. */
async function holder(
  t: Test,
  folder: string,
  enough: number,
): Promise<{ child: ChildProcess; said: Map<string, string> }> {
  const program = fileURLToPath(new URL('../fixtures/journal-holder.js', import.meta.url))
  const child = spawn(process.execPath, [program, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const said = new Map<string, string>()
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const full = new Promise<void>((resolve) => {
    let count = 0
    lines.on('line', (line) => {
      const [what = '', id] = line.split(' ')
      if (id !== undefined) said.set(id, what)
      count += 1
      if (count === enough) resolve()
    })
  })
  await Promise.race([full, once(child, 'exit')])
  return { child, said }
}

t.test('after kill -9 what was acknowledged is there, and the attempts under way count', async (t) => {
  const folder = t.testdir()
  const { child, said } = await holder(t, folder, 300)
  await kill(child)
  const journal = await openJournal(folder)
  t.teardown(() => journal.close())
  for (const [id, what] of said) {
    const job = await journal.get(id)
    if (what === 'accepted') t.match(job, { state: 'queued', attempts: 0 })
    else {
      const history = [{ number: 1, endedAt: String, error: { code: 'THREAD_DIED', reason: 'SERVER_ENDED' } }]
      t.match(job, { state: 'scheduled', attempts: 1, history })
    }
  }
})

t.test('a job killed in its last attempt has failed, and says of what', async (t) => {
  const folder = t.testdir()
  const first = await openJournal(folder)
  const { id } = await accept(first, { maxAttempts: 1, begin: true })
  await first.close()
  const journal = await openJournal(folder)
  t.teardown(() => journal.close())
  t.match(await journal.get(id), {
    state: 'failed',
    attempts: 1,
    error: { code: 'THREAD_DIED', reason: 'SERVER_ENDED' },
  })
})

t.test('a second process on the folder is told who holds it', async (t) => {
  const folder = t.testdir()
  const { child } = await holder(t, folder, 10)
  const message = new RegExp(`in use by process ${child.pid} on .+, since \\d{4}-.+one process at a time`)
  await t.rejects(openJournal(folder), { message })
  await kill(child)
  const journal = await openJournal(folder)
  await journal.close()
})

t.test('to open it again writes nothing: a full disk has no room for that', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'jobs.sqlite')
  const { child } = await holder(t, folder, 10)
  await kill(child)
  const contents = () => [path, `${path}-wal`].map((file) => readFileSync(file).toString('base64'))
  const before = contents()
  const file = new JournalFile(path)
  t.strictSame(contents(), before)
  file.close()
})

t.test('a file of an older version is brought up to date, and has its jobs', async (t) => {
  const folder = t.testdir()
  const history = [
    { number: 1, startedAt: '2026-01-01T00:00:00.001Z', endedAt: '2026-01-01T00:00:00.002Z', error: FAILED },
    { number: 2, startedAt: '2026-01-01T00:00:01.003Z' },
  ]
  const old = new DatabaseSync(join(folder, 'jobs.sqlite'))
  old.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; ${MIGRATIONS[0]} PRAGMA user_version = 1;
    INSERT INTO jobs (seq, id, service, method, state, maxAttempts, priority, createdAt)
      VALUES (1, 'old', 'mail', 'send', 'queued', 3, 5, 0);
    INSERT INTO jobs (seq, id, service, method, state, attempts, maxAttempts, priority, createdAt, history)
      VALUES (2, 'ran', 'mail', 'send', 'running', 2, 3, 0, 0, '${JSON.stringify(history)}');
    INSERT INTO jobs (seq, id, service, method, state, attempts, maxAttempts, priority, createdAt, finishedAt, history)
      VALUES (3, 'done', 'mail', 'send', 'succeeded', 1, 3, 5, 0, ${Date.now()},
        '[{"number":1,"startedAt":"a","endedAt":"b"}]');
    INSERT INTO payloads VALUES (1, '{"to":"ada"}'), (2, '2'), (3, '3')`)
  old.close()
  const journal = await openJournal(folder)
  t.teardown(() => journal.close())
  const recovered = (await journal.get('ran')) as Job
  t.match(recovered, { state: 'scheduled', attempts: 2 })
  t.match(recovered.history, [
    { number: 1, startedAt: '2026-01-01T00:00:00.001Z', endedAt: '2026-01-01T00:00:00.002Z', error: FAILED },
    { number: 2, startedAt: '2026-01-01T00:00:01.003Z', endedAt: String, error: { reason: 'SERVER_ENDED' } },
  ])
  t.strictSame((await journal.get('done'))?.history, [{ number: 1, startedAt: 'a', endedAt: 'b' }])
  t.match(await journal.take('mail', 1, 1_000_000), [{ id: 'old', payload: '{"to":"ada"}', number: 1 }])
})

t.test(
  'an attempt that ended with the server is known as such also where an older version has written it',
  async (t) => {
    const folder = t.testdir()
    const ended = { code: 'THREAD_DIED', message: 'the server ended during the attempt' }
    const died = { code: 'THREAD_DIED', message: 'the thread exited with code 1' }
    const thrown = { code: 'METHOD_FAILED', message: ended.message }
    const old = new DatabaseSync(join(folder, 'jobs.sqlite'))
    old.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
    ${MIGRATIONS.slice(0, 3).join('\n')} PRAGMA user_version = 3;`)
    const errors = [ended, died, thrown]
    for (const [index, error] of errors.entries()) {
      const history = JSON.stringify([
        { number: 1, startedAt: 'a', endedAt: 'b', error: died },
        { number: 2, startedAt: 'a', endedAt: 'b', error },
      ])
      old.exec(`INSERT INTO jobs (seq, id, service, method, state, attempts, maxAttempts, priority, createdAt, history)
        VALUES (${index}, 'waits ${index}', 'mail', 'send', 'queued', 2, 3, 5, 0, '${history}');
      INSERT INTO payloads VALUES (${index}, '1');
      INSERT INTO jobs (seq, id, service, method, state, attempts, maxAttempts, priority, createdAt, begunAt, finishedAt, error)
        VALUES (${index + 9}, 'failed ${index}', 'mail', 'send', 'failed', 1, 1, 5, 0, 0, ${Date.now()}, '${JSON.stringify(error)}')`)
    }
    old.close()
    const journal = await openJournal(folder)
    t.teardown(() => journal.close())
    const known = [{ ...ended, reason: 'SERVER_ENDED' }, died, thrown]
    const attempts = await journal.take('mail', 9, 1_000_000)
    t.strictSame(
      attempts.map(({ lastError }) => lastError),
      known,
    )
    for (const [index, error] of known.entries()) {
      t.strictSame((await journal.get(`failed ${index}`))?.error, error)
      const { history } = (await journal.get(`waits ${index}`)) as Job
      t.strictSame(history[0]?.error, died)
      t.strictSame(history[1]?.error, error)
    }
  },
)

t.test('a file of a newer version is refused, and says so', async (t) => {
  const folder = t.testdir()
  await (await openJournal(folder)).close()
  const db = new DatabaseSync(join(folder, 'jobs.sqlite'))
  db.exec('PRAGMA user_version = 99')
  db.close()
  const error = (await t.rejects(openJournal(folder))) as unknown as Error
  t.match(error.cause, { message: /newer version of threadplane \(schema 99; this one knows \d+\)/ })
})

t.test('a damaged file is refused, with what to do about it', async (t) => {
  const damages: Record<string, (file: string) => Promise<void>> = {
    garbage: (file) => writeFile(file, Buffer.alloc(20_000, 'garbage ')),
    'a header cut short': (file) => truncate(file, 60),
    'the first page cut short': (file) => truncate(file, 1_000),
    'the half of it gone': (file) => truncate(file, Math.floor(statSync(file).size / 8_192) * 4_096),
    'pages overwritten': async (file) => {
      const handle = await open(file, 'r+')
      await handle.write(Buffer.alloc(8 * 4_096, 0x5a), 0, 8 * 4_096, 2 * 4_096)
      await handle.close()
    },
  }
  for (const [what, damage] of Object.entries(damages)) {
    await t.test(what, async (t) => {
      const folder = t.testdir()
      const journal = await openJournal(folder)
      await acceptAll(
        journal,
        Array.from({ length: 500 }, () => ({})),
      )
      await journal.close()
      t.notOk(existsSync(join(folder, 'jobs.sqlite-wal')))
      await damage(join(folder, 'jobs.sqlite'))
      await t.rejects(openJournal(folder), { message: /is damaged: restore it from a backup, or move it away/ })
    })
  }
})

t.test('a file that lost its contents but not its log is refused: opening it would delete the log', async (t) => {
  const folder = t.testdir()
  const { child } = await holder(t, folder, 100)
  await kill(child)
  await truncate(join(folder, 'jobs.sqlite'), 0)
  await t.rejects(openJournal(folder), { message: /is damaged/ })
  t.ok(statSync(join(folder, 'jobs.sqlite-wal')).size > 0)
})

t.test('finished jobs are forgotten after their time, and the file gives the space back', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'jobs.sqlite')
  const filling = await openJournal(folder)
  const payload = 'x'.repeat(10_000)
  const waiting = await accept(filling)
  const all = await acceptAll(
    filling,
    Array.from({ length: 3_000 }, () => ({ payload, begin: true })),
  )
  await Promise.all(all.map((id) => filling.finish(id, 1, { state: 'succeeded', result: '1' })))
  await filling.close()
  const full = statSync(file).size

  const journal = await openJournal(folder, { keepJobsMs: 0 })
  t.teardown(() => journal.close())
  await eventually(() => statSync(file).size < full / 4)
  t.match((await journal.list({ limit: 10 })).items, [{ id: waiting.id, state: 'queued' }])
})

t.test('of finished jobs beyond the greatest number the oldest are forgotten', async (t) => {
  const journal = await fresh(t, { maxFinishedJobs: 10 })
  const finished: string[] = []
  for (let count = 0; count < 25; count += 1) {
    const { id, finishedAt } = await failed(journal)
    finished.push(id)
    await eventually(() => Date.now() > Date.parse(finishedAt as string))
  }
  const left = await eventually(async () => {
    const { items } = await journal.list({ limit: 100 })
    return items.length <= 10 && items
  })
  t.strictSame(ids(left), finished.slice(-10).reverse())
})

t.test('when too many operations wait, casts are refused and outcomes are not', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal, { begin: true })
  const waiting = Array.from({ length: 100_000 }, () => journal.nextDueAt('mail'))
  await t.rejects(accept(journal), { code: 'JOURNAL_UNAVAILABLE' })
  t.equal(await journal.finish(id, 1, { state: 'succeeded', result: '1' }), true)
  await Promise.all(waiting)
  t.match(await accept(journal), { state: 'queued' })
})

t.test('a journal that was closed refuses, and does not hang', async (t) => {
  const journal = await openJournal(t.testdir())
  await journal.close()
  await journal.close()
  await t.rejects(accept(journal), { code: 'JOURNAL_UNAVAILABLE' })
})
