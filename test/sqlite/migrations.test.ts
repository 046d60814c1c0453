/** Files that older versions have written. */
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import type { Job } from '../../src/jobs/job.ts'
import { MIGRATIONS } from '../../src/sqlite/migrations.ts'
import { FAILED, LocalJournal } from './jobs.ts'

t.test('a file of an older version is migrated, and keeps its jobs', async (t) => {
  const path = join(t.testdir(), 'jobs.sqlite')
  const history = [
    { number: 1, startedAt: '2026-01-01T00:00:00.001Z', endedAt: '2026-01-01T00:00:00.002Z', error: FAILED },
    { number: 2, startedAt: '2026-01-01T00:00:01.003Z' },
  ]
  const old = new DatabaseSync(path)
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
  const journal = new LocalJournal(path)
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
  'an attempt that ended with the server gets its reason, where an older version stored only the message',
  async (t) => {
    const path = join(t.testdir(), 'jobs.sqlite')
    const ended = { code: 'THREAD_DIED', message: 'the server ended during the attempt' }
    const died = { code: 'THREAD_DIED', message: 'the thread exited with code 1' }
    const thrown = { code: 'METHOD_FAILED', message: ended.message }
    const old = new DatabaseSync(path)
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
    const journal = new LocalJournal(path)
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
