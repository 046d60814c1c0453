/**
 * A data folder of 3 MB that fills up while the server runs: acknowledged jobs are kept, and casts are refused (P2).
 * With `THREADPLANE_SOAK=1` five rounds, with small payloads.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from './jobs.ts'
import { isSoak } from './soak.ts'
import { type Answer, cast, castsAgain, castUntilRefused, fill, finished, launch, mount, send } from './storage.ts'

// The servers of two tests start at the same time.
t.jobs = 2
const ROUNDS = isSoak ? [', round 1', ', round 2', ', round 3', ', round 4', ', round 5'] : ['']

for (const round of ROUNDS) {
  t.test(
    `on a full disk the server refuses casts and loses no job, and goes on when there is room${round}`,
    { buffered: true },
    async (t) => {
      const mounted = mount(t, 'size=3m')
      if (typeof mounted === 'string') return t.pass(`skipped: ${mounted}`)
      const { data, elsewhere } = mounted
      const { plane } = await launch(t, data)

      const runs = join(elsewhere, 'runs')
      const gate = join(elsewhere, 'gate')
      const accepted: string[] = []
      for (let count = 0; count < 2; count += 1) {
        accepted.push((await send(plane, '/v1/services/gated/cast/wait', { runs, gate })).body.id)
      }
      await eventually(() => existsSync(runs) && readFileSync(runs, 'utf8').trim().split('\n').length === 2)

      await castUntilRefused(t, plane, accepted, 5_000)
      const ballast = fill(data)
      t.match(
        await send(plane, '/v1/services/gated/call/echo', { text: 'abc' }),
        { status: 200, body: 3 },
        'calls go on',
      )
      writeFileSync(gate, '')
      await castUntilRefused(t, plane, accepted, 100)
      t.match(await send(plane, `/v1/jobs/${accepted[0]}`), { status: 200 }, 'jobs can be read')

      rmSync(ballast)
      execFileSync('mount', ['-o', 'remount,size=64m', data])
      accepted.push(await castsAgain(t, plane))

      for (const id of accepted) {
        const job = await finished(plane, id)
        if (job.state !== 'succeeded' || job.attempts !== 1) t.match(job, { id, state: 'succeeded', attempts: 1 })
      }
      t.equal(
        readFileSync(runs, 'utf8').trim().split('\n').length,
        2,
        'the jobs that ran while the disk was full ran once',
      )
      const listed: string[] = []
      for (let cursor: string | null = ''; cursor !== null; ) {
        const { body }: Answer = await send(plane, `/v1/jobs?limit=1000${cursor === '' ? '' : `&cursor=${cursor}`}`)
        listed.push(...body.items.map(({ id }) => id))
        cursor = body.nextCursor
      }
      t.strictSame(listed.sort(), accepted.sort(), 'every acknowledged job is there, and no other')
    },
  )

  t.test(`a server with a full disk stops and starts like any other${round}`, { buffered: true }, async (t) => {
    const mounted = mount(t, 'size=3m')
    if (typeof mounted === 'string') return t.pass(`skipped: ${mounted}`)
    const { data } = mounted
    const accepted: string[] = []
    const first = await launch(t, data, { ownProcess: true })
    await castUntilRefused(t, first.plane, accepted, 5_000)
    fill(data)
    t.equal(await first.stop(), 0)

    const { plane } = await launch(t, data)
    t.match(await send(plane, '/v1/services/gated/call/echo', { text: 'abc' }), { status: 200, body: 3 }, 'calls go on')
    await castUntilRefused(t, plane, accepted, 100)
    t.match(await send(plane, `/v1/jobs/${accepted[0]}`), { status: 200 }, 'jobs can be read')

    rmSync(join(data, 'ballast'))
    execFileSync('mount', ['-o', 'remount,size=64m', data])
    accepted.push(await castsAgain(t, plane))
    for (const id of accepted) {
      const { state } = await finished(plane, id)
      if (state !== 'succeeded') t.match({ id, state }, { id, state: 'succeeded' })
    }
  })

  t.test(`the first start on a disk that is already full${round}`, { buffered: true }, async (t) => {
    const mounted = mount(t, 'size=3m')
    if (typeof mounted === 'string') return t.pass(`skipped: ${mounted}`)
    const { data } = mounted
    const ballast = fill(data)
    const { plane } = await launch(t, data)
    t.match(await send(plane, '/v1/services/gated/call/echo', { text: 'abc' }), { status: 200, body: 3 }, 'calls go on')
    t.match(await cast(plane, 'a'), { status: 503, retryAfter: String, body: { code: 'JOURNAL_UNAVAILABLE' } })
    rmSync(ballast)
    t.match(await finished(plane, await castsAgain(t, plane)), { state: 'succeeded', attempts: 1 })
  })
}
