/** A data folder of 3 MB that fills up under a server at work: what was promised is kept, what cannot be is refused (DESIGN P2). */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { launch, type Plane } from '../../bench/plane.ts'
import { eventually } from './jobs.ts'

const workers = fileURLToPath(new URL('../fixtures/gated/', import.meta.url))

/** A file system of its own, or why there is none. */
function mount(t: Test, options: string): { data: string; elsewhere: string } | string {
  // Not in a testdir: what is mounted there cannot be removed by the next run, should this one be killed.
  const elsewhere = mkdtempSync(join(tmpdir(), 'threadplane-full-'))
  const data = join(elsewhere, 'data')
  mkdirSync(data)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', data], { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    return `a file system cannot be mounted here: ${(error as Error).message.trim()}`
  }
  t.teardown(() => execFileSync('umount', ['--lazy', data]))
  return { data, elsewhere }
}

/** Takes all the room that is left; deleting the file gives it back. */
function fill(folder: string): string {
  const ballast = join(folder, 'ballast')
  const file = openSync(ballast, 'a')
  try {
    for (;;) if (writeSync(file, Buffer.alloc(4_096)) < 4_096) break
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
  closeSync(file)
  return ballast
}

interface Answer {
  status: number
  retryAfter: string | null
  body: {
    id: string
    state: string
    attempts: number
    code: string
    items: { id: string }[]
    nextCursor: string | null
  }
}

async function send(plane: Plane, path: string, payload?: unknown): Promise<Answer> {
  const response = await plane.send(path, payload === undefined ? undefined : JSON.stringify(payload))
  const body = (await response.json()) as Answer['body']
  return { status: response.status, retryAfter: response.headers.get('retry-after'), body }
}

/** Casts until it is refused, and some more. */
async function castUntilRefused(t: Test, plane: Plane, accepted: string[], most: number): Promise<void> {
  let refused = 0
  for (let count = 0; count < most && refused < 20; count += 1) {
    const { status, retryAfter, body } = await send(plane, '/v1/services/gated/cast/echo', { text: 'x'.repeat(1_000) })
    if (status === 202) accepted.push(body.id)
    else {
      refused += 1
      if (status !== 503 || body.code !== 'JOURNAL_UNAVAILABLE' || retryAfter === null)
        t.match({ status, body }, { status: 503 })
    }
  }
  t.ok(refused > 0, 'casts were refused with 503 JOURNAL_UNAVAILABLE and Retry-After')
}

t.test('a disk that is full refuses casts and loses none, and goes on when there is room', async (t) => {
  const mounted = mount(t, 'size=3m')
  if (typeof mounted === 'string') return t.pass(`skipped: ${mounted}`)
  const { data, elsewhere } = mounted
  const plane = await launch(data, { workers })
  let stopped: Promise<number | null> | undefined
  t.teardown(() => (stopped ??= plane.stop()))

  const runs = join(elsewhere, 'runs')
  const gate = join(elsewhere, 'gate')
  const accepted: string[] = []
  for (let count = 0; count < 2; count += 1) {
    accepted.push((await send(plane, '/v1/services/gated/cast/wait', { runs, gate })).body.id)
  }
  await eventually(() => existsSync(runs) && readFileSync(runs, 'utf8').trim().split('\n').length === 2)

  await castUntilRefused(t, plane, accepted, 5_000)
  const ballast = fill(data)
  t.match(await send(plane, '/v1/services/gated/call/echo', { text: 'abc' }), { status: 200, body: 3 }, 'calls go on')
  writeFileSync(gate, '')
  await castUntilRefused(t, plane, accepted, 100)
  t.match(await send(plane, `/v1/jobs/${accepted[0]}`), { status: 200 }, 'jobs can be looked at')

  rmSync(ballast)
  execFileSync('mount', ['-o', 'remount,size=64m', data])
  const since = performance.now()
  await eventually(async () => {
    const { status, body } = await send(plane, '/v1/services/gated/cast/echo', { text: 'again' })
    return status === 202 && accepted.push(body.id)
  })
  t.ok(performance.now() - since < 5_000, 'casts work again within 5 s')

  for (const id of accepted) {
    const job = await eventually(async () => {
      const { body } = await send(plane, `/v1/jobs/${id}`)
      return body.state !== 'running' && body.state !== 'queued' && body
    })
    if (job.state !== 'succeeded' || job.attempts !== 1) t.match(job, { id, state: 'succeeded', attempts: 1 })
  }
  t.equal(readFileSync(runs, 'utf8').trim().split('\n').length, 2, 'what ran while the disk was full ran once')
  const listed: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body }: Answer = await send(plane, `/v1/jobs?limit=1000${cursor === '' ? '' : `&cursor=${cursor}`}`)
    listed.push(...body.items.map(({ id }) => id))
    cursor = body.nextCursor
  }
  t.strictSame(listed.sort(), accepted.sort(), 'what was acknowledged is there, and nothing else')
})
