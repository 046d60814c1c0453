/** New jobs, with their idempotency keys and ticks. */
import type { Job } from '../../src/jobs/job.ts'
import type { Idempotency } from '../../src/jobs/job-store.ts'
import { accept, key, request, taken } from '../sqlite/jobs.ts'
import { eachStore } from './stores.ts'

eachStore('a job may begin in the transaction that accepts it', async (t, stores) => {
  const journal = await stores.open(t)
  t.match(await accept(journal, { begin: true }), { state: 'running', attempts: 1, history: [{ number: 1 }] })
  t.strictSame(await taken(journal), [])
})

eachStore('a job that cannot be stored is refused alone, and not its whole group', async (t, stores) => {
  const journal = await stores.open(t)
  const first = await accept(journal)
  const results = await Promise.allSettled([
    accept(journal),
    accept(journal, { id: first.id }),
    accept(journal, { payload: null as unknown as string }),
    accept(journal, { service: null as unknown as string }),
    accept(journal),
  ])
  t.strictSame(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled'],
  )
  t.equal((await journal.list({ limit: 10 })).items.length, 3)
})

eachStore('a key used again answers the first job, and with another payload a mismatch', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await accept(journal, key())
  const again = (more: Partial<Idempotency>) => journal.accept([request({ begin: true, ...key(more) })])
  t.match(await again({}), [{ kind: 'duplicate', job: { id, state: 'queued' }, keyExpiresAt: Number }])
  t.match(await again({ fingerprint: 'b' }), [{ kind: 'mismatch', jobId: id }])
  t.match(await again({ scope: 'mail/send/2' }), [{ kind: 'new' }])
  t.equal((await journal.list({ limit: 10 })).items.length, 2)
})

eachStore('an expired key can be used for a new job', async (t, stores) => {
  const journal = await stores.open(t)
  const { id } = await accept(journal, key({ expiresAt: Date.now() - 1 }))
  const [second] = await journal.accept([request(key())])
  t.match(second, { kind: 'new' })
  t.not((second as { job: Job }).job.id, id)
})

eachStore('a hundred concurrent casts with one key are one job', async (t, stores) => {
  const journal = await stores.open(t)
  const answers = await Promise.all(Array.from({ length: 100 }, () => journal.accept([request(key())])))
  const kinds = answers.flat().map(({ kind }) => kind)
  t.equal(kinds.filter((kind) => kind === 'new').length, 1)
  t.equal(kinds.filter((kind) => kind === 'duplicate').length, 99)
  t.equal(new Set(answers.flat().map((answer) => (answer as { job: Job }).job.id)).size, 1)
})

eachStore('the tick of a schedule is stored with its job', async (t, stores) => {
  const journal = await stores.open(t)
  const schedule = {
    service: 'mail',
    name: 'daily',
    cron: '0 3 * * *',
    timezone: 'UTC',
    method: 'send',
    source: 'http' as const,
  }
  await journal.putSchedule({ ...schedule, payloadBytes: 3, createdAt: 1 }, '[1]')
  const { id } = await accept(journal, { schedule: 'daily', tick: { service: 'mail', name: 'daily', at: 7 } })
  t.equal((await journal.get(id))?.schedule, 'daily')
  t.same(await journal.schedules(), [{ ...schedule, payloadBytes: 3, createdAt: 1, lastTickAt: 7 }])
  t.same(await journal.schedulePayloads('mail', ['daily', 'other']), ['[1]', null])
  await journal.removeSchedule('mail', 'daily')
  t.strictSame(await journal.schedules(), [])
})
