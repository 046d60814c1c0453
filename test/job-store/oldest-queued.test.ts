/** Since when the oldest job of each service waits that could run. */
import type { AcceptRequest } from '../../src/jobs/job-store.ts'
import { acceptAll, FAILED } from '../sqlite/jobs.ts'
import { eachStore, type TestStore } from './stores.ts'

async function oldest(store: TestStore): Promise<Record<string, number>> {
  const found = await store.oldestQueued()
  return Object.fromEntries(found.map(({ service, since }) => [service, since]))
}

eachStore('the oldest job is the one that was accepted, or became due, first', async (t, stores) => {
  const store = await stores.open(t)
  t.strictSame(await oldest(store), {})
  const now = Date.now()
  const minutesAgo = (minutes: number) => now - minutes * 60_000
  const given: (Partial<AcceptRequest> & { createdAt: number })[] = [
    { service: 'mail', createdAt: minutesAgo(9), priority: 3 },
    { service: 'mail', createdAt: minutesAgo(8), priority: 9 },
    { service: 'mail', createdAt: minutesAgo(7), priority: 0 },
    { service: 'late', createdAt: minutesAgo(20), begin: true },
    { service: 'late', createdAt: minutesAgo(19), begin: true },
    { service: 'later', createdAt: minutesAgo(30), notBefore: now + 60_000 },
    { service: 'thumbs', createdAt: minutesAgo(1) },
    { service: 'runs', createdAt: minutesAgo(5), begin: true },
  ]
  const ids = await acceptAll(store, given)
  const triedAgain = (at: number, due: number) => store.retry(ids[at] as string, 1, FAILED, new Date(due))
  await triedAgain(3, minutesAgo(2))
  await triedAgain(4, minutesAgo(4))
  const expected = { late: minutesAgo(4), mail: minutesAgo(9), thumbs: minutesAgo(1) }
  t.strictSame(await oldest(store), expected)
  // The first by priority runs, or all of a priority: the others have not waited less.
  await store.take('mail', 1, 1_000)
  t.strictSame(await oldest(store), expected)
  await store.cancel(ids[0] as string)
  t.strictSame(await oldest(store), { ...expected, mail: minutesAgo(7) })
  await store.cancel(ids[2] as string)
  const { mail: _, ...others } = expected
  t.strictSame(await oldest(store), others)
  // A take makes `queued` of what is due: the time at which it became due counts.
  t.match(await store.take('late', 1, 1_000), [{ id: ids[3] }])
  t.match(await oldest(store), { late: minutesAgo(4) })
  await triedAgain(7, now + 60_000)
  t.notOk('runs' in (await oldest(store)))
})
