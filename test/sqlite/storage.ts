/** What the tests of a data folder in trouble share: a file system of its own, and a client that casts into it. */
import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { launch as launchPlane, type LaunchOptions, type Plane } from '../../bench/plane.ts'
import { eventually } from './jobs.ts'

const workers = fileURLToPath(new URL('../fixtures/gated/', import.meta.url))

/** A server with a service that echoes, and waits at gates; stopped in teardown if it was not before. */
export async function launch(t: Test, data: string, options: LaunchOptions = {}) {
  const plane = await launchPlane(data, { workers, ...options })
  let stopped: Promise<number | null> | undefined
  const stop = () => (stopped ??= plane.stop())
  t.teardown(stop)
  return { plane, stop }
}

/** A file system of its own, or why there is none. */
export function mount(t: Test, options: string): { data: string; elsewhere: string } | string {
  // Not in a testdir: what is mounted there cannot be removed by the next run, should this one be killed.
  const elsewhere = mkdtempSync(join(tmpdir(), 'threadplane-storage-'))
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

/** A folder that can be made read-only: the super-user may write whatever the permissions say, and has mounts instead. */
export function readOnlyFolder(t: Test): { data: string; setWritable: (writable: boolean) => void } | string {
  if (process.getuid?.() === 0) {
    const mounted = mount(t, 'size=64m')
    if (typeof mounted === 'string') return mounted
    const { data } = mounted
    const setWritable = (writable: boolean) =>
      execFileSync('mount', ['-o', `remount,${writable ? 'rw' : 'ro'}`, data]) as unknown as void
    return { data, setWritable }
  }
  const data = join(t.testdir(), 'data')
  mkdirSync(data)
  const setWritable = (writable: boolean) => {
    for (const file of readdirSync(data)) chmodSync(join(data, file), writable ? 0o755 : 0o555)
    chmodSync(data, writable ? 0o755 : 0o555)
  }
  t.teardown(() => setWritable(true))
  return { data, setWritable }
}

/** Takes all the room that is left; deleting the file gives it back. */
export function fill(folder: string): string {
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

export interface Answer {
  status: number
  retryAfter: string | null
  body: {
    id: string
    state: string
    attempts: number
    code: string
    detail: string
    items: { id: string }[]
    nextCursor: string | null
  }
}

export async function send(plane: Plane, path: string, payload?: unknown, method = 'POST'): Promise<Answer> {
  const given = { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(payload) }
  const response = await fetch(`${plane.url}${path}`, payload === undefined ? {} : given)
  const body = (await response.json()) as Answer['body']
  return { status: response.status, retryAfter: response.headers.get('retry-after'), body }
}

export function cast(plane: Plane, text: string): Promise<Answer> {
  return send(plane, '/v1/services/gated/cast/echo', { text })
}

/** Casts until it is refused, and some more. */
export async function castUntilRefused(t: Test, plane: Plane, accepted: string[], most: number): Promise<void> {
  let refused = 0
  for (let count = 0; count < most && refused < 20; count += 1) {
    const { status, retryAfter, body } = await cast(plane, 'x'.repeat(1_000))
    if (status === 202) accepted.push(body.id)
    else {
      refused += 1
      if (status !== 503 || body.code !== 'JOURNAL_UNAVAILABLE' || retryAfter === null)
        t.match({ status, body }, { status: 503 })
    }
  }
  t.ok(refused > 0, 'casts were refused with 503 JOURNAL_UNAVAILABLE and Retry-After')
}

/** Since what was in the way is gone, casts are taken again within 5 s; the id of the first. */
export async function castsAgain(t: Test, plane: Plane): Promise<string> {
  const since = performance.now()
  const { body } = await eventually(async () => {
    const answer = await cast(plane, 'again')
    return answer.status === 202 && answer
  })
  t.ok(performance.now() - since < 5_000, 'casts work again within 5 s')
  return body.id
}

export async function finished(plane: Plane, id: string): Promise<Answer['body']> {
  return eventually(async () => {
    const { body } = await send(plane, `/v1/jobs/${id}`)
    return body.state !== 'running' && body.state !== 'queued' && body.state !== 'scheduled' && body
  })
}
