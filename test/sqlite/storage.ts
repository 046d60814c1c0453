/** What the tests of full and read-only data folders share: a file system of their own, and a client that casts. */
import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { launch as launchPlane, type LaunchOptions, type Plane } from '../../bench/plane.ts'
import { buildServer } from '../../src/server/build-server.ts'
import { timings } from '../../src/sqlite/timings.ts'
import { eventually, log } from './jobs.ts'
import { isSoak } from './soak.ts'

// Of servers in the process of the test.
timings.retryEveryMs = 50

const workers = fileURLToPath(new URL('../fixtures/gated/', import.meta.url))

export type Server = Pick<Plane, 'url' | 'pid'>

/**
 * A server with the service `gated`, in a process of its own where the test or a soak needs that: to start one costs a
 * second of CPU. It is stopped in teardown, if not before.
 */
export async function launch(
  t: Test,
  data: string,
  { ownProcess = isSoak, ...options }: LaunchOptions & { ownProcess?: boolean } = {},
): Promise<{ plane: Server; stop: () => Promise<number | null> }> {
  const plane = ownProcess ? await launchPlane(data, { workers, ...options }) : await serveHere(data)
  let stopped: Promise<number | null> | undefined
  const stop = () => (stopped ??= plane.stop())
  t.teardown(stop)
  return { plane, stop }
}

async function serveHere(data: string): Promise<Pick<Plane, 'url' | 'pid' | 'stop'>> {
  const { app, registry } = await buildServer({ workers, data, log })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  await registry.startAll()
  const stop = async () => {
    await app.close()
    return 0
  }
  return { url, pid: process.pid, stop }
}

/** Mounts a file system for the data folder. Returns why not, if that is impossible. */
export function mount(t: Test, options: string): { data: string; elsewhere: string } | string {
  // Not in a testdir: if this run is killed, the next one could not remove a folder with a mount in it.
  const elsewhere = mkdtempSync(join(tmpdir(), 'threadplane-storage-'))
  const data = join(elsewhere, 'data')
  mkdirSync(data)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', data], { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    return `a file system cannot be mounted here: ${(error as Error).message.trim()}`
  }
  t.teardown(() => {
    execFileSync('umount', ['--lazy', data])
    rmSync(elsewhere, { recursive: true })
  })
  return { data, elsewhere }
}

/** A folder that can be made read-only. Permissions do not stop root, for whom a file system is mounted. */
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

/** Fills a folder to its last byte. Deleting the file that is returned makes room again. */
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

export async function send({ url }: Server, path: string, payload?: unknown, method = 'POST'): Promise<Answer> {
  const given = { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(payload) }
  const response = await fetch(`${url}${path}`, payload === undefined ? {} : given)
  const body = (await response.json()) as Answer['body']
  return { status: response.status, retryAfter: response.headers.get('retry-after'), body }
}

export function cast(server: Server, text: string): Promise<Answer> {
  return send(server, '/v1/services/gated/cast/echo', { text })
}

/** Few large payloads fill a disk as well as many small ones. */
const TEXT = 'x'.repeat(isSoak ? 1_000 : 10_000)

/** Casts until 20 casts have been refused. */
export async function castUntilRefused(t: Test, server: Server, accepted: string[], most: number): Promise<void> {
  let refused = 0
  for (let count = 0; count < most && refused < 20; count += 1) {
    const { status, retryAfter, body } = await cast(server, TEXT)
    if (status === 202) accepted.push(body.id)
    else {
      refused += 1
      if (status !== 503 || body.code !== 'JOURNAL_UNAVAILABLE' || retryAfter === null)
        t.match({ status, body }, { status: 503 })
    }
  }
  t.ok(refused > 0, 'casts were refused with 503 JOURNAL_UNAVAILABLE and Retry-After')
}

/** Casts until a cast is accepted, which must be within 5 s. Returns the id of its job. */
export async function castsAgain(t: Test, server: Server): Promise<string> {
  const since = performance.now()
  const { body } = await eventually(async () => {
    const answer = await cast(server, 'again')
    return answer.status === 202 && answer
  })
  t.ok(performance.now() - since < 5_000, 'casts are accepted again within 5 s')
  return body.id
}

/** The job, as soon as it is finished. */
export async function finished(server: Server, id: string): Promise<Answer['body']> {
  return eventually(async () => {
    const { body } = await send(server, `/v1/jobs/${id}`)
    return body.state !== 'running' && body.state !== 'queued' && body.state !== 'scheduled' && body
  })
}
