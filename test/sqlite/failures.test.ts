/** Jobs that failed before their errors had keys. */
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import type { JobError } from '../../src/jobs/job.ts'
import { MIGRATIONS } from '../../src/sqlite/migrations.ts'
import { accept, LocalJournal } from './jobs.ts'

const thrown = (name: string, message: string): JobError => ({
  code: 'METHOD_FAILED',
  message: `${name}: ${message}`,
  cause: { name, message },
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
