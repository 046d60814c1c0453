/** The last lines of failed attempts: kept with their job, and deleted with it. */
import t from 'tap'
import { accept, FAILED, localJournal, reopened, taken } from './jobs.ts'

t.test('lines are kept of each failed attempt, and only of an end that counts', async (t) => {
  const journal = localJournal(t)
  const { id } = await accept(journal, { begin: true })
  t.equal(await journal.retry(id, 2, FAILED, new Date(), 'of another attempt'), false)
  await journal.retry(id, 1, FAILED, new Date(), 'of the first')
  await taken(journal)
  await journal.retry(id, 2, FAILED, new Date())
  await taken(journal)
  await journal.finish(id, 3, { state: 'failed', error: FAILED, log: 'of the last' })
  t.same(await journal.attemptLogs(id), ['of the first', 'of the last'])
  t.same(await journal.attemptLogs('unknown'), [])
  await journal.requeue(id)
  t.same(await journal.attemptLogs(id), ['of the first', 'of the last'])
})

t.test('they are kept of a hundred attempts', async (t) => {
  const journal = localJournal(t)
  const { id } = await accept(journal, { begin: true, maxAttempts: 200 })
  for (let attempt = 1; attempt <= 103; attempt += 1) {
    await journal.retry(id, attempt, FAILED, new Date(), `of ${attempt}`)
    await taken(journal)
  }
  const logs = await journal.attemptLogs(id)
  t.equal(logs.length, 100)
  t.equal(logs[0], 'of 4')
})

t.test('they are deleted with the job', async (t) => {
  const journal = localJournal(t)
  const count = () => journal.count('attemptLogs')
  for (const log of ['a', 'b', 'c']) {
    const { id } = await accept(journal, { begin: true })
    await journal.finish(id, 1, { state: 'failed', error: FAILED, log })
    if (log === 'a') await journal.remove(id)
    if (log === 'b') await journal.removeAll([id])
  }
  t.equal(count(), 1)
  const again = await reopened(t, journal, { keepJobsMs: 0 })
  again.retain()
  t.equal(again.count('attemptLogs'), 0)
})
