/** Lists of jobs, in every combination of their filters. */
import type { JobState } from '../../src/contract/states.ts'
import type { CountedJob } from '../../src/jobs/job-store.ts'
import { acceptAll, FAILED, idsOf } from '../sqlite/jobs.ts'
import { eachStore } from './stores.ts'

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
          const listed: string[] = []
          let page = await journal.list(filter)
          listed.push(...idsOf(page.items))
          while (page.nextCursor !== null) {
            page = await journal.list({ ...filter, cursor: page.nextCursor })
            listed.push(...idsOf(page.items))
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
  },
)

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
