/** When the clock of the machine is set back, a `delayMs` or a delay between two attempts takes no longer than it should. */
import t, { type Test } from 'tap'
import { Dispatcher } from '../../src/jobs/dispatcher.ts'
import { accept, eventually, FAILED, localJournal, log, reopened } from '../sqlite/jobs.ts'
import { Target } from './target.ts'

const HOUR_MS = 60 * 60 * 1_000

/** From now on the clock shows five hours less, until the end of the test. */
function setBack(t: Test): void {
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => now() - 5 * HOUR_MS
}

t.test('while the server runs: a backoff and a delay go on, and a job expires', async (t) => {
  const journal = localJournal(t)
  const target = new Target()
  const dispatcher = new Dispatcher(journal, log)
  t.teardown(() => dispatcher.close())
  dispatcher.serve(target)
  const [delayed, retried, hours] = await dispatcher.cast(target, [
    { method: 'send', payload: '1', options: { delayMs: 1_500 } },
    { method: 'send', payload: '2', options: { delayMs: 1_500 } },
    { method: 'send', payload: '3', options: { delayMs: 2 * HOUR_MS, ttlMs: 3 * HOUR_MS } },
  ])
  t.match([delayed, retried], [{ job: { state: 'scheduled' } }, { job: { state: 'scheduled' } }])
  const acceptedAt = performance.now()
  setBack(t)
  await eventually(() => target.runs.length === 2)
  t.ok(performance.now() - acceptedAt > 1_000, 'and not at once')
  const { job } = hours as { job: { id: string } }
  const { notBefore, expiresAt } = await dispatcher.get(job.id)
  const leftMs = (at: string | null) => Date.parse(at ?? '') - Date.now()
  t.ok(leftMs(notBefore) > 1.9 * HOUR_MS && leftMs(notBefore) <= 2 * HOUR_MS)
  t.ok(leftMs(expiresAt) > 2.9 * HOUR_MS && leftMs(expiresAt) <= 3 * HOUR_MS)
})

t.test('jobs that were accepted long before follow too, and jobs that came after it do not', async (t) => {
  const journal = localJournal(t)
  const { id: long } = await accept(journal, { createdAt: Date.now() - 24 * HOUR_MS, notBefore: Date.now() + HOUR_MS })
  setBack(t)
  const since = Date.now()
  const { id: after } = await accept(journal, { notBefore: Date.now() + HOUR_MS })
  const { notBefore } = (await journal.get(after)) ?? {}
  await journal.clockSetBack(5 * HOUR_MS, since)
  t.equal((await journal.get(after))?.notBefore, notBefore)
  const left = Date.parse((await journal.get(long))?.notBefore ?? '') - Date.now()
  t.ok(left > 0.9 * HOUR_MS && left <= HOUR_MS)
})

t.test('while the server is down; and the next start changes nothing more', async (t) => {
  const journal = localJournal(t)
  const { id: retried } = await accept(journal, { begin: true, createdAt: Date.now() - 24 * HOUR_MS })
  await journal.retry(retried, 1, FAILED, new Date(Date.now() + 1_000))
  const { id: delayed } = await accept(journal, { notBefore: Date.now() + HOUR_MS })
  await accept(journal)
  setBack(t)
  const again = await reopened(t, journal)
  const leftMs = async (job: string) => Date.parse((await again.get(job))?.notBefore ?? '') - Date.now()
  t.ok((await leftMs(retried)) <= 1_000)
  const left = await leftMs(delayed)
  t.ok(left > 0.9 * HOUR_MS && left <= HOUR_MS)
  t.match(await again.get(retried), { state: 'scheduled', history: [{ number: 1, error: FAILED }] })
  const notBefore = (await again.get(delayed))?.notBefore
  await again.clockSetBack(0, 0)
  t.equal((await again.get(delayed))?.notBefore, notBefore)
})
