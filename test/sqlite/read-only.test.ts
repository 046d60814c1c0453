/**
 * A data folder that cannot be written: casts are refused and calls go on, until it can be written (P2). With
 * `THREADPLANE_SOAK=1` five rounds.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { childrenOf } from '../../bench/plane.ts'
import { acceptAll, eventually, type LocalJournal, localJournal } from './jobs.ts'
import { isSoak } from './soak.ts'
import { cast, castsAgain, finished, launch, readOnlyFolder, type Server, send } from './storage.ts'

/** Creates a journal in a data folder and fills it. On a copy: the process of the test keeps the original locked. */
async function journalIn<T>(t: Test, data: string, fill: (journal: LocalJournal) => Promise<T>): Promise<T> {
  const journal = localJournal(t)
  const filled = await fill(journal)
  await journal.close()
  copyFileSync(journal.path, join(data, 'jobs.sqlite'))
  return filled
}

const UNAVAILABLE = { status: 503, retryAfter: String, body: { code: 'JOURNAL_UNAVAILABLE' } }

/** Without a journal, a server runs calls and refuses casts. */
async function runsCalls(t: Test, plane: Server): Promise<void> {
  t.match(await send(plane, '/v1/services/gated/call/echo', { text: 'abc' }), { status: 200, body: 3 }, 'calls go on')
  t.match(await cast(plane, 'a'), UNAVAILABLE, 'casts')
  t.match(await send(plane, '/v1/services/gated/pause', {}), { status: 200, body: { state: 'paused' } })
  t.match(await cast(plane, 'a'), UNAVAILABLE, 'casts to a paused service')
  t.match(await send(plane, '/v1/services/gated/resume', {}), { status: 200, body: { state: 'running' } })
}

/** Without a listener, SIGXFSZ would end the process when a write exceeds the limit that `prlimit` has set. */
const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent("process.on('SIGXFSZ', () => {})")}`

/** Makes all writes of a server and of its journal fail while its files stay open, as if its file system became read-only. */
function setWrites({ pid }: Server, possible: boolean): void {
  for (const one of [pid, ...childrenOf(pid)]) {
    execFileSync('prlimit', ['--pid', String(one), `--fsize=${possible ? 'unlimited' : '0'}:unlimited`])
  }
}

// The servers of two tests start at the same time.
t.jobs = 2
const ROUNDS = isSoak ? [', round 1', ', round 2', ', round 3', ', round 4', ', round 5'] : ['']

for (const round of ROUNDS) {
  t.test(`a folder that is read-only at the start${round}`, { buffered: true }, async (t) => {
    const folder = readOnlyFolder(t)
    if (typeof folder === 'string') return t.pass(`skipped: ${folder}`)
    const { data, setWritable } = folder
    const job = { service: 'gated', method: 'echo', payload: '{"text":"waits"}' }
    const [waiting = ''] = await journalIn(t, data, async (journal) => {
      const schedule = {
        service: 'gated',
        name: 'yearly',
        cron: '0 0 1 1 *',
        timezone: 'UTC',
        method: 'echo',
        source: 'http' as const,
      }
      await journal.putSchedule({ ...schedule, payloadBytes: 12, createdAt: Date.now() }, '{"text":"a"}')
      return acceptAll(journal, [job])
    })
    setWritable(false)
    const { plane } = await launch(t, data)
    await runsCalls(t, plane)
    t.match(await send(plane, '/v1/jobs'), UNAVAILABLE, 'jobs')
    t.match(await send(plane, '/v1/services/gated/schedules'), UNAVAILABLE, 'schedules')
    t.match(await send(plane, '/v1/services/other', { module: 'gated.js' }, 'PUT'), UNAVAILABLE, 'registrations')
    t.match(
      await send(plane, '/v1/services/other'),
      { status: 404 },
      'a registration that cannot be stored does not exist',
    )

    setWritable(true)
    await castsAgain(t, plane)
    t.match(await finished(plane, waiting), { state: 'succeeded', attempts: 1 }, 'the job that waited on disk has run')
    const schedules = await eventually(async () => {
      const { status, body } = await send(plane, '/v1/services/gated/schedules')
      return status === 200 && body.items
    })
    t.match(schedules, [{ name: 'yearly' }])
    t.match(await send(plane, '/v1/services/other', { module: 'gated.js' }, 'PUT'), { status: 201 })
  })

  t.test(`a folder that is read-only and empty${round}`, { buffered: true }, async (t) => {
    const folder = readOnlyFolder(t)
    if (typeof folder === 'string') return t.pass(`skipped: ${folder}`)
    const { data, setWritable } = folder
    setWritable(false)
    const { plane } = await launch(t, data)
    await runsCalls(t, plane)
    setWritable(true)
    t.match(await finished(plane, await castsAgain(t, plane)), { state: 'succeeded', attempts: 1 })
  })

  t.test(
    `a damaged file in a folder that was read-only is reported as damaged${round}`,
    { buffered: true },
    async (t) => {
      const folder = readOnlyFolder(t)
      if (typeof folder === 'string') return t.pass(`skipped: ${folder}`)
      const { data, setWritable } = folder
      await journalIn(t, data, (journal) => acceptAll(journal, [{}]))
      truncateSync(join(data, 'jobs.sqlite'), 60)
      setWritable(false)
      const { plane } = await launch(t, data)
      setWritable(true)
      await eventually(async () => {
        const { status, body } = await cast(plane, 'a')
        if (status !== 503) t.match({ status, body }, UNAVAILABLE)
        return /not a database|damaged|malformed/.test(body.detail)
      })
      t.match(
        await send(plane, '/v1/services/gated/call/echo', { text: 'abc' }),
        { status: 200, body: 3 },
        'calls go on',
      )
    },
  )

  t.test(`a folder that becomes read-only while the server runs${round}`, { buffered: true }, async (t) => {
    const data = join(t.testdir(), 'data')
    const { plane, stop } = await launch(t, data, { ownProcess: true, environment: { NODE_OPTIONS } })
    const before = (await cast(plane, 'before')).body.id
    t.match(await finished(plane, before), { state: 'succeeded' })
    try {
      setWrites(plane, false)
    } catch (error) {
      return t.pass(`skipped: ${(error as Error).message}`)
    }
    await runsCalls(t, plane)
    t.match(await send(plane, `/v1/jobs/${before}`), { status: 200, body: { state: 'succeeded' } }, 'jobs')
    t.match(await send(plane, '/v1/services/gated/stop', {}), UNAVAILABLE, 'the desired state cannot be stored')
    setWrites(plane, true)
    await castsAgain(t, plane)
    t.equal(await stop(), 0)
  })
}
