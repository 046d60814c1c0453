/** A data folder that cannot be written: casts are refused, calls go on, and it is taken up when it can be (DESIGN P2). */
import { execFileSync } from 'node:child_process'
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Plane } from '../../bench/plane.ts'
import { eventually } from './jobs.ts'
import { cast, castsAgain, finished, launch, readOnlyFolder, send } from './storage.ts'

const UNAVAILABLE = { status: 503, retryAfter: String, body: { code: 'JOURNAL_UNAVAILABLE' } }

/** What a server can do that has no journal, and what it cannot. */
async function serves(t: Test, plane: Plane): Promise<void> {
  t.match(await send(plane, '/v1/services/gated/call/echo', { text: 'abc' }), { status: 200, body: 3 }, 'calls go on')
  t.match(await cast(plane, 'a'), UNAVAILABLE, 'casts')
  t.match(await send(plane, '/v1/services/gated/pause', {}), { status: 200, body: { state: 'paused' } })
  t.match(await cast(plane, 'a'), UNAVAILABLE, 'casts to one that is paused')
  t.match(await send(plane, '/v1/services/gated/resume', {}), { status: 200, body: { state: 'running' } })
}

t.test('a folder that is read-only at the start', async (t) => {
  const folder = readOnlyFolder(t)
  if (typeof folder === 'string') return t.pass(`skipped: ${folder}`)
  const { data, setWritable } = folder
  const first = await launch(t, data)
  await send(first.plane, '/v1/services/gated/pause', {})
  const { body: waiting } = await cast(first.plane, 'waits')
  await send(
    first.plane,
    '/v1/services/gated/schedules/yearly',
    { cron: '0 0 1 1 *', method: 'echo', payload: { text: 'a' } },
    'PUT',
  )
  await first.stop()

  setWritable(false)
  const { plane } = await launch(t, data)
  await serves(t, plane)
  t.match(await send(plane, '/v1/jobs'), UNAVAILABLE, 'jobs')
  t.match(await send(plane, '/v1/services/gated/schedules'), UNAVAILABLE, 'schedules')
  t.match(await send(plane, '/v1/services/other', { module: 'gated.js' }, 'PUT'), UNAVAILABLE, 'registrations')
  t.match(await send(plane, '/v1/services/other'), { status: 404 }, 'what cannot be kept is not there')

  setWritable(true)
  await castsAgain(t, plane)
  t.match(await finished(plane, waiting.id), { state: 'succeeded', attempts: 1 }, 'what waited on disk has run')
  const schedules = await eventually(async () => {
    const { status, body } = await send(plane, '/v1/services/gated/schedules')
    return status === 200 && body.items
  })
  t.match(schedules, [{ name: 'yearly' }])
  t.match(await send(plane, '/v1/services/other', { module: 'gated.js' }, 'PUT'), { status: 201 })
})

t.test('a folder that is read-only and empty', async (t) => {
  const folder = readOnlyFolder(t)
  if (typeof folder === 'string') return t.pass(`skipped: ${folder}`)
  const { data, setWritable } = folder
  setWritable(false)
  const { plane } = await launch(t, data)
  await serves(t, plane)
  setWritable(true)
  t.match(await finished(plane, await castsAgain(t, plane)), { state: 'succeeded', attempts: 1 })
})

t.test('a damaged file that only now can be looked at is said to be one', async (t) => {
  const folder = readOnlyFolder(t)
  if (typeof folder === 'string') return t.pass(`skipped: ${folder}`)
  const { data, setWritable } = folder
  const first = await launch(t, data)
  await first.stop()
  truncateSync(join(data, 'jobs.sqlite'), 60)
  setWritable(false)
  const { plane } = await launch(t, data)
  setWritable(true)
  await eventually(async () => {
    const { status, body } = await cast(plane, 'a')
    if (status !== 503) t.match({ status, body }, UNAVAILABLE)
    return /not a database|damaged|malformed/.test(body.detail)
  })
  t.match(await send(plane, '/v1/services/gated/call/echo', { text: 'abc' }), { status: 200, body: 3 }, 'calls go on')
})

/** What is too large for `prlimit` is refused to be written, as the kernel means it, and ends no process. */
const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent("process.on('SIGXFSZ', () => {})")}`

/** As a file system that turns read-only under its server: what is open stays open, and no write succeeds. */
function setWrites(plane: Plane, possible: boolean): void {
  execFileSync('prlimit', ['--pid', String(plane.pid), `--fsize=${possible ? 'unlimited' : '0'}:unlimited`])
}

t.test('a folder that cannot be written any more while the server runs', async (t) => {
  const data = join(t.testdir(), 'data')
  const { plane, stop } = await launch(t, data, { environment: { NODE_OPTIONS } })
  const before = (await cast(plane, 'before')).body.id
  t.match(await finished(plane, before), { state: 'succeeded' })
  try {
    setWrites(plane, false)
  } catch (error) {
    return t.pass(`skipped: ${(error as Error).message}`)
  }
  await serves(t, plane)
  t.match(await send(plane, `/v1/jobs/${before}`), { status: 200, body: { state: 'succeeded' } }, 'jobs')
  t.match(await send(plane, '/v1/services/gated/stop', {}), UNAVAILABLE, 'what is wanted cannot be kept')
  setWrites(plane, true)
  await castsAgain(t, plane)
  t.equal(await stop(), 0)
})
