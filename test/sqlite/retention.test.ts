/** The file gives back the space of jobs that are forgotten. */
import { statSync } from 'node:fs'
import t from 'tap'
import { accept, acceptAll, localJournal, reopened } from './jobs.ts'

t.test('finished jobs are forgotten after their time, in steps, and the file gives their space back', async (t) => {
  const filling = localJournal(t)
  const payload = 'x'.repeat(10_000)
  const waiting = await accept(filling)
  const all = await acceptAll(
    filling,
    Array.from({ length: 3_000 }, () => ({ payload, begin: true })),
  )
  await Promise.all(all.map((id) => filling.finish(id, 1, { state: 'succeeded', result: '1' })))
  const journal = await reopened(t, filling, { keepJobsMs: 0 })
  const full = statSync(journal.path).size
  t.ok(full > 3_000 * payload.length)
  t.ok(journal.retain() > 3_000 / 500, 'in several transactions')
  t.ok(statSync(journal.path).size < full / 4)
  t.match((await journal.list({ limit: 10 })).items, [{ id: waiting.id, state: 'queued' }])
})
