/** Which finished jobs are forgotten, and when. */
import { setTimeout as sleep } from 'node:timers/promises'
import { accept, eventually, failed, idsOf, key, request } from '../sqlite/jobs.ts'
import { eachStore } from './stores.ts'

eachStore('a key is remembered across a restart, and its job is not forgotten before it', async (t, stores) => {
  const first = await stores.open(t)
  const { id } = await accept(first, { begin: true, ...key() })
  await first.finish(id, 1, { state: 'succeeded', result: '1' })

  const journal = await stores.reopened(t, first, { keepJobsMs: 0 })
  const { id: keyless } = await failed(journal)
  await journal.retain()
  t.equal(await journal.get(keyless), undefined)
  t.match(await journal.accept([request(key())]), [{ kind: 'duplicate', job: { id } }])
  await t.rejects(journal.remove(id), { code: 'CONFLICT', message: /until its idempotency key expires/ })
})

eachStore('a job that is kept only for its key is forgotten with it', async (t, stores) => {
  const journal = await stores.open(t, { keepJobsMs: 0 })
  const expiresAt = Date.now() + 500
  const { id } = await accept(journal, { begin: true, ...key({ expiresAt }) })
  await journal.finish(id, 1, { state: 'succeeded', result: '1' })
  for (const what of ['the first search', 'a search that begins after the place of the job']) {
    const keyless = await failed(journal)
    await journal.retain()
    t.equal(await journal.get(keyless.id), undefined, what)
    if (Date.now() < expiresAt) t.match(await journal.get(id), { state: 'succeeded' })
  }
  await sleep(expiresAt - Date.now() + 1)
  await journal.retain()
  t.equal(await journal.get(id), undefined)
})

eachStore('of more finished jobs than the greatest number the oldest are forgotten', async (t, stores) => {
  const journal = await stores.open(t, { maxFinishedJobs: 10 })
  await journal.retain()
  const finished: string[] = []
  for (let count = 0; count < 25; count += 1) {
    const { id, finishedAt } = await failed(journal)
    finished.push(id)
    await eventually(() => Date.now() > Date.parse(finishedAt as string))
  }
  await journal.retain()
  const { items: left } = await journal.list({ limit: 100 })
  t.strictSame(idsOf(left), finished.slice(-10).reverse())
})

eachStore(
  'jobs with a key are kept up to the same number, and the key of one that is forgotten is free again',
  async (t, stores) => {
    const journal = await stores.open(t, { maxFinishedJobs: 3, keepJobsMs: 0 })
    const finished: string[] = []
    for (let count = 0; count < 8; count += 1) {
      const { id } = await accept(journal, { begin: true, ...key({ scope: `mail/send/${count}` }) })
      await journal.finish(id, 1, { state: 'succeeded', result: '1' })
      const { finishedAt } = (await journal.get(id)) as { finishedAt: string }
      finished.push(id)
      await eventually(() => Date.now() > Date.parse(finishedAt))
    }
    await journal.retain()
    t.strictSame(idsOf((await journal.list({ limit: 100 })).items), finished.slice(-3).reverse())
    t.match(await journal.accept([request(key({ scope: 'mail/send/0' }))]), [{ kind: 'new' }])
    t.match(await journal.accept([request(key({ scope: 'mail/send/7' }))]), [{ kind: 'duplicate' }])
  },
)
