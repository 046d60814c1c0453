/** Which finished jobs are forgotten, and when. */
import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { accept, acceptAll, eventually, failed, idsOf, key, localJournal, reopened, request } from './jobs.ts'

t.test('a key is remembered across a restart, and its job is not forgotten before it', async (t) => {
  const first = localJournal(t)
  const { id } = await accept(first, { begin: true, ...key() })
  await first.finish(id, 1, { state: 'succeeded', result: '1' })

  const journal = await reopened(t, first, { keepJobsMs: 0 })
  const { id: keyless } = await failed(journal)
  journal.retain()
  t.equal(await journal.get(keyless), undefined)
  t.match(await journal.accept([request(key())]), [{ kind: 'duplicate', job: { id } }])
  await t.rejects(journal.remove(id), { code: 'CONFLICT', message: /until its idempotency key expires/ })
})

t.test('a job that is kept only for its key is forgotten with it', async (t) => {
  const journal = localJournal(t, { keepJobsMs: 0 })
  const expiresAt = Date.now() + 500
  const { id } = await accept(journal, { begin: true, ...key({ expiresAt }) })
  await journal.finish(id, 1, { state: 'succeeded', result: '1' })
  for (const what of ['the first search', 'a search that begins after the place of the job']) {
    const keyless = await failed(journal)
    journal.retain()
    t.equal(await journal.get(keyless.id), undefined, what)
    if (Date.now() < expiresAt) t.match(await journal.get(id), { state: 'succeeded' })
  }
  await sleep(expiresAt - Date.now() + 1)
  journal.retain()
  t.equal(await journal.get(id), undefined)
})

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

t.test('of more finished jobs than the greatest number the oldest are forgotten', async (t) => {
  const journal = localJournal(t, { maxFinishedJobs: 10 })
  journal.retain()
  const finished: string[] = []
  for (let count = 0; count < 25; count += 1) {
    const { id, finishedAt } = await failed(journal)
    finished.push(id)
    await eventually(() => Date.now() > Date.parse(finishedAt as string))
  }
  journal.retain()
  const { items: left } = await journal.list({ limit: 100 })
  t.strictSame(idsOf(left), finished.slice(-10).reverse())
})

t.test(
  'jobs with a key are kept up to the same number, and the key of one that is forgotten is free again',
  async (t) => {
    const journal = localJournal(t, { maxFinishedJobs: 3, keepJobsMs: 0 })
    const finished: string[] = []
    for (let count = 0; count < 8; count += 1) {
      const { id } = await accept(journal, { begin: true, ...key({ scope: `mail/send/${count}` }) })
      await journal.finish(id, 1, { state: 'succeeded', result: '1' })
      const { finishedAt } = (await journal.get(id)) as { finishedAt: string }
      finished.push(id)
      await eventually(() => Date.now() > Date.parse(finishedAt))
    }
    journal.retain()
    t.strictSame(idsOf((await journal.list({ limit: 100 })).items), finished.slice(-3).reverse())
    t.match(await journal.accept([request(key({ scope: 'mail/send/0' }))]), [{ kind: 'new' }])
    t.match(await journal.accept([request(key({ scope: 'mail/send/7' }))]), [{ kind: 'duplicate' }])
  },
)
