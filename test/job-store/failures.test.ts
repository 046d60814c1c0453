/** Failed jobs by their errors, after each change of a job. */
import type { JobError } from '../../src/jobs/job.ts'
import { accept, acceptAll, FAILED } from '../sqlite/jobs.ts'
import { eachStore } from './stores.ts'

const thrown = (name: string, message: string): JobError => ({
  code: 'METHOD_FAILED',
  message: `${name}: ${message}`,
  cause: { name, message },
})

eachStore('failures are grouped by service, method and key, the newest first', async (t, stores) => {
  const journal = await stores.open(t)
  const ids = await acceptAll(journal, [
    { begin: true },
    { begin: true },
    { begin: true, method: 'sort' },
    { begin: true, service: 'other' },
    { begin: true },
  ])
  const errors = [
    thrown('Error', 'row 1'),
    thrown('Error', 'row 2'),
    thrown('Error', 'row 3'),
    thrown('TypeError', 'x'),
  ]
  for (const [index, error] of errors.entries())
    await journal.finish(ids[index] as string, 1, { state: 'failed', error })
  await journal.finish(ids[4] as string, 1, { state: 'succeeded', result: '1' })
  const groups = await journal.failures(10)
  t.equal(groups.length, 3)
  const rows = groups.find(({ count }) => count === 2)
  t.match(rows, { service: 'mail', method: 'send', code: 'METHOD_FAILED', name: 'Error', message: /^row [12]$/ })
  t.ok(ids.slice(0, 2).includes(rows?.sampleJobId as string))
  t.ok((rows?.firstAt as number) <= (rows?.lastAt as number))
  t.match(await journal.failures(10, 'other'), [{ service: 'other', count: 1, name: 'TypeError', message: 'x' }])
  t.equal((await journal.failures(1)).length, 1)
  t.strictSame(await journal.failures(10, 'none'), [])
})

eachStore(
  'a job is a failure while it is failed: not after a retry, a deletion, or the time that it is kept',
  async (t, stores) => {
    const journal = await stores.open(t, { keepJobsMs: 1 })
    const counts = async () => (await journal.failures(10)).map(({ count }) => count)
    const fail = async () => {
      const { id } = await accept(journal, { begin: true, maxAttempts: 1 })
      await journal.finish(id, 1, { state: 'failed', error: FAILED })
      return id
    }
    const id = await fail()
    t.strictSame(await counts(), [1])
    await journal.requeue(id)
    t.strictSame(await counts(), [])
    await journal.take('mail', 1, 1_000)
    await journal.finish(id, 2, { state: 'failed', error: FAILED })
    await fail()
    t.strictSame(await counts(), [2])
    await journal.requeueFailed('mail', 10, Date.now())
    t.strictSame(await counts(), [])
    await journal.remove(await fail())
    t.strictSame(await counts(), [])
    await fail()
    const until = Date.now() + 2
    while (Date.now() < until);
    await journal.retain()
    t.strictSame(await counts(), [])
  },
)

eachStore('the end of the server is a failure of jobs that have no attempt left', async (t, stores) => {
  const journal = await stores.open(t)
  await accept(journal, { begin: true, maxAttempts: 1 })
  const again = await stores.reopened(t, journal)
  t.match(await again.failures(10), [{ code: 'THREAD_DIED', name: 'SERVER_ENDED', count: 1 }])
})
