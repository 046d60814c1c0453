/** Jobs beyond the window of their feed wait on disk: a kill costs none of them an attempt that it did not have (P3, P5). */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { launch, type Plane } from '../../bench/plane.ts'
import { eventually } from '../sqlite/jobs.ts'
import { isSoak } from '../sqlite/soak.ts'

const KILLS = isSoak ? 10 : 1
const workers = fileURLToPath(new URL('../fixtures/gated/', import.meta.url))

interface JobView {
  id: string
  state: string
  attempts: number
}

async function jobs(plane: Plane, query: string): Promise<JobView[]> {
  const response = await plane.send(`/v1/jobs?limit=1000&${query}`)
  return ((await response.json()) as { items: JobView[] }).items
}

t.test('jobs that wait behind long methods lose no attempt when the server is killed', async (t) => {
  const folder = t.testdir()
  const [runs, gate] = [join(folder, 'runs'), join(folder, 'gate')]
  let plane = await launch(join(folder, 'data'), { workers })
  t.teardown(() => plane.kill())
  const blocking = `${JSON.stringify({ runs, gate })}\n`.repeat(4)
  await plane.send('/v1/services/gated/cast/wait?maxAttempts=100', blocking, 'application/x-ndjson')
  await plane.send('/v1/services/gated/cast/echo', '{"text":"a"}\n'.repeat(100), 'application/x-ndjson')
  for (let kills = 0; kills < KILLS; kills += 1) {
    await eventually(async () => (await jobs(plane, 'state=running')).length === 4)
    await plane.kill()
    plane = await launch(join(folder, 'data'), { workers })
  }
  const waiting = await jobs(plane, 'method=echo')
  t.equal(waiting.length, 100)
  t.ok(waiting.every(({ state, attempts }) => state === 'queued' && attempts === 0))
  await writeFile(gate, '')
  await eventually(async () => (await jobs(plane, 'method=echo&state=succeeded')).length === 100)
  t.ok((await jobs(plane, 'method=echo')).every(({ attempts }) => attempts === 1))
})
