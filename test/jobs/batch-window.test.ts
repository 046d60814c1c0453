/** What waits, waits on disk: a service has a bounded window of jobs in memory, however they came (DESIGN P5). */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { launch } from '../../bench/plane.ts'
import { eventually } from './jobs.ts'

const workers = fileURLToPath(new URL('../fixtures/gated/', import.meta.url))

t.test('of a batch no more attempts begin than the window of its service has room for', async (t) => {
  const folder = t.testdir()
  const plane = await launch(join(folder, 'data'), { workers })
  t.teardown(() => plane.kill())
  // Once it runs, and nothing waits, jobs begin in the transaction that accepts them.
  await eventually(async () => {
    const response = await plane.send('/v1/services/gated/cast/echo', '{"text":"a"}')
    return ((await response.json()) as { attempts: number }).attempts === 1
  })
  const line = `${JSON.stringify({ runs: join(folder, 'runs'), gate: join(folder, 'gate') })}\n`
  const response = await plane.send('/v1/services/gated/cast/wait', line.repeat(1_000), 'application/x-ndjson')
  const { items } = (await response.json()) as { items: { status: number; job: { attempts: number } }[] }
  t.equal(items.filter(({ status }) => status === 202).length, 1_000)
  t.ok(items.filter(({ job }) => job.attempts > 0).length <= 256)
})
