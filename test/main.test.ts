/** The process: wrong settings, listening, and its end. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type Answer, isProblem, request, type RequestOptions, within } from './http-helper.ts'

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url))
const FIXTURES = fileURLToPath(new URL('./http-fixtures/', import.meta.url))

interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

class Process {
  readonly child: ChildProcess
  readonly folder: string
  readonly exit: Promise<Exit>
  output = ''
  #watchers = new Set<() => void>()

  constructor(t: Test, folder: string, args: string[], environment: NodeJS.ProcessEnv) {
    this.folder = folder
    const { PATH } = process.env
    const env = { PATH, THREADPLANE_PORT: '0', THREADPLANE_DATA: join(folder, 'data'), ...environment }
    this.child = spawn(process.execPath, [MAIN, ...args], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
        for (const watch of this.#watchers) watch()
      })
    }
    this.exit = new Promise((resolve) => {
      this.child.on('close', (code, signal) => resolve({ code, signal }))
    })
    t.teardown(async () => {
      if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
      await this.exit
      rmSync(folder, { recursive: true, force: true })
    })
  }

  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    let watch = () => {}
    const printed = new Promise<RegExpExecArray>((resolve, reject) => {
      watch = () => {
        const match = pattern.exec(this.output)
        if (match !== null) resolve(match)
      }
      this.#watchers.add(watch)
      watch()
      void this.exit.then(() => reject(new Error(`it ended without ${pattern}: ${this.output}`)))
    })
    return within(printed, `${pattern} in: ${this.output}`).finally(() => this.#watchers.delete(watch))
  }

  async request(method: string, path: string, options?: RequestOptions): Promise<Answer> {
    const [, port] = await this.prints(/listening at http:\/\/127\.0\.0\.1:(\d+)/)
    return request(Number(port), method, path, options)
  }

  async ended(deadlineMs?: number): Promise<Exit> {
    return within(this.exit, `the process to end: ${this.output}`, deadlineMs)
  }
}

const run = (t: Test, args: string[], environment: NodeJS.ProcessEnv = {}, fixtures: Record<string, string> = {}) => {
  const folder = mkdtempSync(join(FIXTURES, '../main-'))
  mkdirSync(join(folder, 'workers'))
  for (const [name, fixture] of Object.entries(fixtures)) {
    copyFileSync(join(FIXTURES, `${fixture}.js`), join(folder, 'workers', `${name}.js`))
  }
  return new Process(t, folder, args, environment)
}

/** A server with one service that makes it hard to end the process, started. */
const serve = async (t: Test, environment: NodeJS.ProcessEnv = {}) => {
  const server = run(t, ['serve', 'workers'], environment, { holds: 'holds-the-process' })
  await server.prints(/services: holds running/)
  const holds = (method: string, json: unknown = {}) =>
    server.request('POST', `/v1/services/holds/call/${method}`, { json })
  return { server, holds }
}

t.test('a wrong setting ends the process with a message that names it, what it is and what it takes', async (t) => {
  for (const [environment, message] of [
    [{ THREADPLANE_PORT: 'http' }, /^threadplane: THREADPLANE_PORT is "http": it takes a port from 0 to 65535\n$/],
    [{ THREADPLANE_HOST: '0.0.0.0' }, /THREADPLANE_HOST is 0\.0\.0\.0: .*THREADPLANE_INSECURE=true/],
    [{ THREADPLANE_PROT: '1' }, /THREADPLANE_PROT is no setting; there are: /],
    [{ THREADPLANE_WORKERS: '/nowhere' }, /the workers folder \/nowhere cannot be read\n {2}because: ENOENT/],
    [{ THREADPLANE_DATA: '/dev/null' }, /the data folder \/dev\/null cannot be used\n {2}because: /],
  ] as const) {
    const server = run(t, ['serve'], environment)
    t.same(await server.ended(), { code: 1, signal: null })
    t.match(server.output, message)
    t.notMatch(server.output, /\n {4}at /, 'no stack')
  }
})

t.test('a command that does not exist is answered with the usage', async (t) => {
  for (const [args, code] of [
    [[], 2],
    [['nonsense'], 2],
    [['serve', 'a', 'b'], 2],
    [['--help'], 0],
    [['serve', '--nonsense'], 1],
  ] as const) {
    const command = run(t, [...args])
    t.equal((await command.ended()).code, code, args.join(' '))
    t.match(command.output, /threadplane/)
  }
})

t.test('a port that is taken, or a damaged data folder, ends the process with a message', async (t) => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const server = run(t, ['serve', 'workers'], { THREADPLANE_PORT: String(port) })
  t.same(await server.ended(), { code: 1, signal: null })
  t.match(server.output, /threadplane: listen EADDRINUSE.*\n$/)

  const damaged = run(t, ['--help'])
  await damaged.ended()
  mkdirSync(join(damaged.folder, 'data'))
  writeFileSync(join(damaged.folder, 'data', 'services.json'), '{')
  const again = new Process(t, damaged.folder, ['serve', 'workers'], {})
  t.same(await again.ended(), { code: 1, signal: null })
  t.match(again.output, /services\.json cannot be read: repair it, or move it away.*\n {2}because: /)
})

t.test(
  'port 0 takes a free one, which the log says; a folder is served, and its modules get what they import',
  async (t) => {
    const server = run(t, ['serve', 'workers'], {}, { echo: 'echo' })
    await server.prints(/services: echo running/)
    const answer = await server.request('POST', '/v1/services/echo/call/any', { json: [1] })
    t.match(answer, { status: 200, json: [1] })
    server.child.kill('SIGINT')
    t.same(await server.ended(), { code: 0, signal: null })
    t.match(server.output, /SIGINT: closing[^]*closed/)
  },
)

t.test('SIGTERM under load: nothing that runs is dropped, nothing new is taken, and the exit code is 0', async (t) => {
  const { server, holds } = await serve(t)
  const held = Array.from({ length: 5 }, () => holds('hold'))
  const { json: job } = await server.request('POST', '/v1/services/holds/cast/hold')
  await server.prints(/(held[^]*){6}/)
  const following = server.request('GET', `/v1/jobs/${job.id}`, { headers: { prefer: 'wait=60' } })
  t.equal((await server.request('GET', '/readyz')).status, 200)

  server.child.kill('SIGTERM')
  await server.prints(/SIGTERM: closing/)
  t.match(await server.request('GET', '/readyz'), { status: 503, json: { status: 'unavailable' } })
  t.equal((await server.request('GET', '/livez')).status, 200)
  isProblem(t, await holds('hold'), 'SHUTTING_DOWN')
  isProblem(t, await server.request('POST', '/v1/services/holds/cast/hold'), 'SHUTTING_DOWN')
  isProblem(t, await server.request('POST', '/v1/services/holds/start'), 'SHUTTING_DOWN')

  writeFileSync(join(server.folder, 'let-go'), '')
  for (const answer of await Promise.all(held)) t.match(answer, { status: 200, json: 'held to the end' })
  t.match((await following).json, { state: 'succeeded', result: 'held to the end' })
  t.same(await server.ended(), { code: 0, signal: null })
})

t.test('a thread that loops for ever is ended within the timeout, with exit code 0', async (t) => {
  const { server, holds } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' })
  await holds('loop')
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /what still runs is ended/)
})

t.test('a call that does not end holds the process no longer than the timeout', async (t) => {
  const { server, holds } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' })
  const held = holds('hold').catch((error: Error) => error)
  await server.prints(/held/)
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  await held
})

for (const [when, environment] of [
  ['at the timeout', { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' }],
  ['before it', { THREADPLANE_SHUTDOWN_TIMEOUT: '20s' }],
] as const) {
  t.test(`a thread that is blocked in native code is ended by SIGKILL, ${when}`, async (t) => {
    const { server, holds } = await serve(t, environment)
    const fifo = join(server.folder, 'fifo')
    execFileSync('mkfifo', [fifo])
    await holds('block', { fifo })
    server.child.kill('SIGTERM')
    // Exit code 0 takes a supervisor process: nothing in this one can end such a thread.
    t.same(await server.ended(), { code: null, signal: 'SIGKILL' })
  })
}

t.test('a second signal ends the process now', async (t) => {
  const { server, holds } = await serve(t)
  const held = holds('hold').catch((error: Error) => error)
  await server.prints(/held/)
  server.child.kill('SIGTERM')
  await server.prints(/SIGTERM: closing/)
  server.child.kill('SIGINT')
  t.same(await server.ended(), { code: null, signal: 'SIGKILL' })
  await held
})

t.test('a signal while services still start ends the process in good order', async (t) => {
  const server = run(t, ['serve', 'workers'], {}, { loops: 'loops-at-import' })
  await server.prints(/listening/)
  t.match(await server.request('GET', '/startupz'), { status: 503 })
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
})
