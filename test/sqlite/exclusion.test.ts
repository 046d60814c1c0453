/** One server at a time uses a data folder, whatever a service in the server's process does with the files in it. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { childrenOf, launch as launchPlane, type LaunchOptions, type Plane } from '../../bench/plane.ts'
import { eventually } from './jobs.ts'

const workers = fileURLToPath(new URL('../fixtures/reads-journal/', import.meta.url))
const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const run = promisify(execFile)

async function launch(t: Test, data: string, options: LaunchOptions = {}): Promise<Plane> {
  const plane = await launchPlane(data, { workers, ...options })
  t.teardown(() => plane.kill())
  return plane
}

async function call(plane: Plane, name: string, payload: unknown): Promise<unknown> {
  const response = await plane.send(`/v1/services/reader/call/${name}`, JSON.stringify(payload))
  if (!response.ok) throw new Error(await response.text())
  return response.json()
}

async function castMany(plane: Plane): Promise<string[]> {
  const response = await plane.send('/v1/services/reader/cast/nothing', 'null\n'.repeat(20), 'application/x-ndjson')
  const { items } = (await response.json()) as { items: { job: { id: string } }[] }
  return items.map(({ job }) => job.id)
}

/** What a second server on the folder prints; it must end by itself. */
async function secondServer(data: string): Promise<string> {
  const env = { ...process.env, THREADPLANE_PORT: '0', THREADPLANE_DATA: data }
  delete (env as NodeJS.ProcessEnv).THREADPLANE_SOAK
  const args = [main, 'serve', workers, '--no-supervise']
  return run(process.execPath, args, { env, timeout: 60_000 }).then(
    () => 'it ended without an error',
    ({ stderr }: { stderr: string }) => stderr,
  )
}

t.test('a service that reads, copies and queries the journal drops no lock and loses no job', async (t) => {
  const parent = t.testdir({ data: {} })
  const data = join(parent, 'data')
  const file = join(data, 'jobs.sqlite')
  const plane = await launch(t, data)
  const accepted = await castMany(plane)
  await call(plane, 'read', file)
  await call(plane, 'read', `${file}-wal`)
  await call(plane, 'copy', { folder: data, to: join(parent, 'copy') })
  t.match(await call(plane, 'query', file), /locked/, 'another SQLite cannot use it, and so cannot delete its log')
  t.ok(existsSync(`${file}-wal`))
  symlinkSync(data, join(parent, 'link'))
  for (const folder of [data, join(parent, 'link')]) t.match(await secondServer(folder), /in use by process \d+/)
  accepted.push(...(await castMany(plane)))

  await plane.kill()
  const next = await launch(t, data)
  t.equal(accepted.length, 40)
  for (const id of accepted) t.match(await next.send(`/v1/jobs/${id}`), { status: 200 })
})

t.test('the process of the journal preloads no code of users, and ends with its server', async (t) => {
  const environment = { NODE_OPTIONS: '--import=data:text/javascript,console.error(%22preloaded%22)' }
  const plane = await launch(t, join(t.testdir(), 'data'), { environment })
  const [journal] = childrenOf(plane.pid).filter((pid) => isJournal(pid))
  t.notMatch(readFileSync(`/proc/${journal}/environ`, 'utf8'), /(^|\0)NODE_OPTIONS=/)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(journal as number, signal)
  t.equal((await castMany(plane)).length, 20, 'it ignores signals that are sent to all processes')
  await plane.kill()
  await eventually(() => !isJournal(journal as number))
})

t.test('when the process of the journal dies, the server is started again with all jobs', async (t) => {
  const plane = await launch(t, join(t.testdir(), 'data'), { supervised: true })
  const accepted = await castMany(plane)
  const server = plane.serverPid as number
  process.kill(childrenOf(server).find((pid) => isJournal(pid)) as number, 'SIGKILL')
  await eventually(async () => plane.serverPid !== server && (await plane.isReady()))
  for (const id of accepted) t.match(await plane.send(`/v1/jobs/${id}`), { status: 200 })
  t.equal(await plane.stop(), 0)
})

function isJournal(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('threadplane journal')
  } catch {
    return false
  }
}
