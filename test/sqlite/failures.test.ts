/** Failed jobs by their errors: what the table of failures holds after each change of a job, and after a migration. */
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import { errorKeyOf } from '../../src/jobs/error-key.ts'
import type { JobError } from '../../src/jobs/job.ts'
import { MIGRATIONS } from '../../src/sqlite/migrations.ts'
import { accept, acceptAll, FAILED, LocalJournal, localJournal, reopened } from './jobs.ts'

const thrown = (name: string, message: string): JobError => ({
  code: 'METHOD_FAILED',
  message: `${name}: ${message}`,
  cause: { name, message },
})

t.test('numbers and ids of a message do not count for its key; code, name and words do', async (t) => {
  const same = [
    'no user 4711 in eu-1 after 2.5 s',
    'no user 4712 in eu-12 after 0.25 s',
    'no user 019ab3de-0000-7000-8000-00000000000f in eu-1 after 3 s',
  ]
  t.equal(new Set(same.map((message) => errorKeyOf(thrown('Error', message)))).size, 1)
  const others = [
    thrown('Error', 'no user'),
    thrown('RangeError', 'no user'),
    { ...thrown('Error', 'no user'), code: 'RESULT_INVALID' },
    thrown('Error', 'no group'),
    { code: 'METHOD_REFUSED', reason: 'NO_USER', message: 'no user' },
  ]
  t.equal(new Set(others.map(errorKeyOf)).size, others.length)
  t.match(errorKeyOf(FAILED), /^[\da-f]{16}$/)
  errorKeyOf(thrown('Error', 'x'.repeat(16_384)))
})

t.test('failures are grouped by service, method and key, the newest first', async (t) => {
  const journal = localJournal(t)
  const ids = await acceptAll(journal, [
    { begin: true },
    { begin: true },
    { begin: true, method: 'sort' },
    { begin: true, service: 'other' },
    { begin: true },
  ])
  const errors = [
    thrown('Error', 'row 1'),
    thrown('Error', 'row 2'),
    thrown('Error', 'row 3'),
    thrown('TypeError', 'x'),
  ]
  for (const [index, error] of errors.entries())
    await journal.finish(ids[index] as string, 1, { state: 'failed', error })
  await journal.finish(ids[4] as string, 1, { state: 'succeeded', result: '1' })
  const groups = await journal.failures(10)
  t.equal(groups.length, 3)
  const rows = groups.find(({ count }) => count === 2)
  t.match(rows, { service: 'mail', method: 'send', code: 'METHOD_FAILED', name: 'Error', message: /^row [12]$/ })
  t.ok(ids.slice(0, 2).includes(rows?.sampleJobId as string))
  t.ok((rows?.firstAt as number) <= (rows?.lastAt as number))
  t.match(await journal.failures(10, 'other'), [{ service: 'other', count: 1, name: 'TypeError', message: 'x' }])
  t.equal((await journal.failures(1)).length, 1)
  t.strictSame(await journal.failures(10, 'none'), [])
})

t.test(
  'a job is a failure while it is failed: not after a retry, a deletion, or the time that it is kept',
  async (t) => {
    const journal = localJournal(t, { keepJobsMs: 1 })
    const counts = async () => (await journal.failures(10)).map(({ count }) => count)
    const fail = async () => {
      const { id } = await accept(journal, { begin: true, maxAttempts: 1 })
      await journal.finish(id, 1, { state: 'failed', error: FAILED })
      return id
    }
    const id = await fail()
    t.strictSame(await counts(), [1])
    await journal.requeue(id)
    t.strictSame(await counts(), [])
    await journal.take('mail', 1, 1_000)
    await journal.finish(id, 2, { state: 'failed', error: FAILED })
    await fail()
    t.strictSame(await counts(), [2])
    await journal.requeueFailed('mail', 10, Date.now())
    t.strictSame(await counts(), [])
    await journal.remove(await fail())
    t.strictSame(await counts(), [])
    await fail()
    const until = Date.now() + 2
    while (Date.now() < until);
    journal.retain()
    t.strictSame(await counts(), [])
  },
)

t.test('the end of the server is a failure of jobs that have no attempt left', async (t) => {
  const journal = localJournal(t)
  await accept(journal, { begin: true, maxAttempts: 1 })
  const again = await reopened(t, journal)
  t.match(await again.failures(10), [{ code: 'THREAD_DIED', name: 'SERVER_ENDED', count: 1 }])
})

t.test('jobs that failed before there were keys get theirs in small steps', async (t) => {
  const path = join(t.testdir(), 'jobs.sqlite')
  const old = new DatabaseSync(path)
  old.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
    ${MIGRATIONS.slice(0, 4).join('\n')} PRAGMA user_version = 4; BEGIN`)
  const now = Date.now()
  for (let seq = 1; seq <= 1_200; seq += 1) {
    const error = seq % 2 === 0 ? JSON.stringify(thrown('Error', `row ${seq}`)) : 'damaged'
    old.exec(`INSERT INTO jobs (seq, id, service, method, state, maxAttempts, priority, createdAt, finishedAt, error)
      VALUES (${seq}, 'old-${seq}', 'mail', 'send', '${seq <= 1_100 ? 'failed' : 'cancelled'}', 1, 5, ${now}, ${now}, '${error}')`)
  }
  old.exec('COMMIT')
  old.close()
  const journal = new LocalJournal(path)
  t.teardown(() => journal.close())
  t.strictSame(await journal.failures(10), [], 'the start did not wait for them')
  const { id } = await accept(journal, { begin: true, maxAttempts: 1 })
  await journal.finish(id, 1, { state: 'failed', error: thrown('Error', 'row 1201') })
  t.ok(journal.retain() >= 3)
  const groups = (await journal.failures(10)).sort((a, b) => a.count - b.count)
  t.match(groups, [
    { count: 550, code: 'INTERNAL' },
    { count: 551, code: 'METHOD_FAILED', name: 'Error', firstAt: Number },
  ])
  t.equal(journal.retain(), 0, 'nothing is left to do')
})
