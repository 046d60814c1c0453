/** Lists of jobs, in every combination of their filters. */
import type { JobState } from '../../src/contract/states.ts'
import type { CountedJob, JobFilter } from '../../src/jobs/job-store.ts'
import { errorKeyOf } from '../../src/jobs/error-key.ts'
import { acceptAll, FAILED, failed, idsOf } from '../sqlite/jobs.ts'
import { eachStore, type TestStore } from './stores.ts'

async function listed(store: TestStore, filter: JobFilter): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await store.list({ ...filter, ...(cursor !== undefined && { cursor }) })
    ids.push(...idsOf(page.items))
    cursor = page.nextCursor
  }
  return ids
}

eachStore(
  'lists come newest first, in pages, filtered by service, method and state in any combination',
  async (t, stores) => {
    const journal = await stores.open(t)
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
          const expected = newest.filter(
            (job) =>
              (service ?? job.service) === job.service &&
              (method ?? job.method) === job.method &&
              (wanted ?? state.get(job.id)) === state.get(job.id),
          )
          t.strictSame(
            await listed(journal, filter),
            expected.map(({ id }) => id),
            JSON.stringify(filter),
          )
        }
      }
    }
  },
)

eachStore('jobs are listed by the time of their acceptance', async (t, stores) => {
  const store = await stores.open(t)
  const now = Date.now()
  const times = Array.from({ length: 20 }, (_, n) => now - 20_000 + n * 1_000)
  const ids = await acceptAll(
    store,
    times.map((createdAt, n) => ({ createdAt, method: n % 2 === 0 ? 'send' : 'sort' })),
  )
  const newest = (from: number, end: number) => ids.slice(from, end).reverse()
  t.strictSame(await listed(store, { limit: 3, since: now - 10_000 }), newest(10, 20))
  t.strictSame(await listed(store, { limit: 3, since: now - 10_000, before: now - 5_000 }), newest(10, 15))
  const sorted = await listed(store, { limit: 3, since: now - 10_000, method: 'sort', states: ['queued'] })
  t.strictSame(
    sorted,
    [19, 17, 15, 13, 11].map((n) => ids[n]),
  )
  t.strictSame(await listed(store, { limit: 3, since: now }), [])
})

eachStore('failed jobs are listed by the key of their error', async (t, stores) => {
  const store = await stores.open(t)
  await acceptAll(store, [{}])
  const [a, b, c] = [await failed(store), await failed(store, { method: 'sort' }), await failed(store)].map(
    ({ id }) => id,
  )
  const errorKey = errorKeyOf(FAILED)
  for (const limit of [1, 100]) {
    const found = (filter: Partial<JobFilter>) => listed(store, { limit, errorKey, ...filter })
    t.strictSame(await found({}), [c, b, a])
    t.strictSame(await found({ names: ['ma*'], states: ['failed'] }), [c, b, a])
    t.strictSame(await found({ service: 'mail', method: 'send' }), [c, a])
    t.strictSame(await found({ method: 'sort' }), [b])
    t.strictSame(await found({ errorKey: '0123456789abcdef' }), [])
    t.strictSame(await found({ states: ['queued'] }), [], 'only jobs that are failed have a key')
  }
})

eachStore('all jobs are counted by service and state, in several parts', async (t, stores) => {
  const journal = await stores.open(t)
  await acceptAll(
    journal,
    Array.from({ length: 19_990 }, () => ({ method: 'sort' })),
  )
  await acceptAll(
    journal,
    Array.from({ length: 20 }, () => ({})),
  )
  await acceptAll(journal, [{ service: 'other', begin: true }])
  const sums: Record<string, number> = {}
  let parts = 0
  for (let after: CountedJob | undefined; ; parts += 1) {
    const { counts, next } = await journal.countJobs(after)
    for (const [service, state, count] of counts) {
      const key = `${service} ${state}`
      sums[key] = (sums[key] ?? 0) + count
    }
    if (next === undefined) break
    after = next
  }
  t.strictSame(sums, { 'mail queued': 20_010, 'other running': 1 })
  t.equal(parts, 1)
})
