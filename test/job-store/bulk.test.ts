/** Changes of many jobs, and what is counted: pages that go on where the last one ended, and the checks of each job. */
import type { BulkCursor, BulkFilter } from '../../src/jobs/job-store.ts'
import { errorKeyOf } from '../../src/jobs/error-key.ts'
import { accept, acceptAll, DAY_MS, eventually, FAILED, failed, idsOf, key } from '../sqlite/jobs.ts'
import { eachStore, type TestStore } from './stores.ts'

async function matching(store: TestStore, filter: BulkFilter, limit: number): Promise<string[]> {
  const found: string[] = []
  for (let from: BulkCursor | undefined; ; ) {
    const { jobs, next } = await store.matching(filter, limit, from)
    found.push(...idsOf(jobs))
    if (next === undefined) return found
    from = next
  }
}

eachStore('jobs are chosen by service, method, state and error, in steps', async (t, stores) => {
  const store = await stores.open(t)
  const queued = await acceptAll(store, [{}, { method: 'sort' }, { service: 'other' }, {}])
  const failures = [await failed(store), await failed(store, { method: 'sort' }), await failed(store)]
  const [a, b, c, d] = queued
  for (const limit of [1, 2, 100]) {
    const found = (filter: BulkFilter) => matching(store, filter, limit)
    t.strictSame(await found({ states: ['queued'] }), [a, d, b, c], 'in the order of services, methods and acceptance')
    t.strictSame(await found({ states: ['queued', 'failed'], service: 'mail', method: 'sort' }), [b, failures[1]?.id])
    t.strictSame(await found({ states: ['queued'], service: 'none' }), [])
    const errorKey = errorKeyOf(FAILED)
    const same = { states: ['failed'], service: 'mail', method: 'send', errorKey } as const
    t.strictSame(await found(same), [failures[0]?.id, failures[2]?.id])
    t.strictSame(await found({ ...same, errorKey: '0123456789abcdef' }), [])
  }
  t.equal(await store.countMatching({ states: ['queued'] }), 4)
  t.equal(await store.countMatching({ states: ['failed'], service: 'mail', errorKey: errorKeyOf(FAILED) }), 3)
})

eachStore('jobs are chosen by the time of their acceptance', async (t, stores) => {
  const store = await stores.open(t)
  const now = Date.now()
  const ids = await acceptAll(
    store,
    Array.from({ length: 20 }, (_, n) => ({ createdAt: now - 20_000 + n * 1_000 })),
  )
  const filter = { states: ['queued'], before: now - 10_000 } as const
  t.strictSame(await matching(store, filter, 3), ids.slice(0, 10))
  t.equal(await store.countMatching(filter), 10)
  t.strictSame(await matching(store, { ...filter, before: 1 }, 3), [])
  const between = { ...filter, since: now - 15_000 }
  t.strictSame(await matching(store, between, 3), ids.slice(5, 10))
  t.equal(await store.countMatching(between), 5)
  t.strictSame(await matching(store, { ...between, since: now }, 3), [])
})

eachStore('each job of a change of many is checked as one alone is', async (t, stores) => {
  const store = await stores.open(t)
  const unknown = ['unknown', '00000000-0000-7000-8000-000000000000']
  const [waiting = '', running = '', done = ''] = await acceptAll(store, [{}, { begin: true }, { begin: true }])
  await store.finish(done, 1, { state: 'succeeded', result: '1' })
  const { id: broken } = await failed(store)
  const { id: keyed } = await failed(store, key())
  const all = [waiting, running, done, broken, keyed, ...unknown]
  t.strictSame(await store.cancelSome(all), [waiting])
  t.strictSame((await store.requeueAll([running, done, broken, ...unknown])).sort(), [broken])
  t.match(await store.get(broken), { state: 'queued', history: [{ error: FAILED }] })
  t.equal(await store.removeAll(all), 2)
  for (const id of [running, broken, keyed]) t.ok(await store.get(id), 'it has not ended, or has a key')
  for (const id of [waiting, done]) t.equal(await store.get(id), undefined)
  await t.rejects(store.remove(keyed), { code: 'CONFLICT' })
  await store.remove('unknown')
})

eachStore('unfinished jobs are counted and listed, and all jobs are counted by state', async (t, stores) => {
  const store = await stores.open(t)
  const ids = await acceptAll(store, [
    {},
    { method: 'sort', begin: true },
    { notBefore: Date.now() + DAY_MS },
    { service: 'other' },
  ])
  await failed(store)
  t.strictSame((await store.unfinished('mail', 10)).sort(), ids.slice(0, 3).sort())
  t.equal((await store.unfinished('mail', 2)).length, 2)
  t.equal(await store.countUnfinished('mail'), 3)
  const counts = await eventually(async () => {
    const all = await store.counts()
    return all.length === 2 && all
  })
  t.match(counts, [
    { service: 'mail', counts: { scheduled: 1, queued: 1, running: 1, failed: 1, succeeded: 0 } },
    { service: 'other', counts: { queued: 1, running: 0 } },
  ])
  t.match(await store.counts('other'), [{ service: 'other', counts: { queued: 1 } }])
  t.strictSame(await store.counts('none'), [])
})

eachStore('the payload of a job, and pages of some services only', async (t, stores) => {
  const store = await stores.open(t)
  const { id } = await accept(store, { payload: '[1, "ü"]' })
  t.same(await store.payload(id), { service: 'mail', method: 'send', payload: '[1, "ü"]' })
  t.equal(await store.payload('unknown'), undefined)
  await acceptAll(store, [{ service: 'mailer' }, { service: 'other' }, { service: 'mailer', method: 'sort' }])
  const names = async (filter: Parameters<TestStore['list']>[0]) =>
    (await store.list(filter)).items.map(({ service, method }) => `${service}/${method}`)
  t.strictSame(await names({ limit: 9, names: ['mail'] }), ['mail/send'])
  t.strictSame(await names({ limit: 9, names: ['mail*'] }), ['mailer/sort', 'mailer/send', 'mail/send'])
  t.strictSame(await names({ limit: 9, names: ['mail*', 'other'], method: 'send' }), [
    'other/send',
    'mailer/send',
    'mail/send',
  ])
  t.strictSame(await names({ limit: 9, names: ['x*'] }), [])
  t.strictSame(await names({ limit: 9, names: ['mailer'], service: 'mail' }), [])
  t.strictSame(await names({ limit: 9, names: ['mail*'], service: 'mail' }), ['mail/send'])
})

eachStore('a page of large results ends before its limit, and the next one goes on', async (t, stores) => {
  const store = await stores.open(t)
  const ids = await acceptAll(
    store,
    Array.from({ length: 5 }, () => ({ begin: true })),
  )
  const result = JSON.stringify('x'.repeat(1_500_000))
  await Promise.all(ids.map((id) => store.finish(id, 1, { state: 'succeeded', result })))
  const first = await store.list({ limit: 10 })
  t.strictSame(idsOf(first.items), ids.slice(3).reverse())
  const second = await store.list({ limit: 10, cursor: first.nextCursor as string })
  t.strictSame(idsOf(second.items), ids.slice(1, 3).reverse())
})
