/** Threadplane as a process of its own, as an operator starts, signals and kills it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type Answer, type LogRecord, request, type RequestOptions, within } from './http-helper.ts'

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url))
/** A process takes its time to start where the machine is busy, and a crash loop is several starts. */
const DEADLINE_MS = 60_000
const FIXTURES = fileURLToPath(new URL('./http-fixtures/', import.meta.url))

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export class Process {
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

  prints(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(`${pattern}`, () => pattern.exec(this.output))
  }

  /** The line of the log with this message, as soon as there have been so many. */
  logs(message: RegExp, times = 1): Promise<LogRecord> {
    return this.#until(`${times} × ${message}`, () => {
      const lines = this.output.split('\n').slice(0, -1)
      const records = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogRecord)
      return records.filter(({ msg }) => message.test(msg))[times - 1]
    })
  }

  /** The server process of the first start, or of a later one. */
  async listens(times = 1): Promise<{ pid: number; port: number }> {
    const { pid, msg } = await this.logs(/listening at/, times)
    return { pid: pid as number, port: Number(/:(\d+)$/.exec(msg)?.[1]) }
  }

  async #until<T>(what: string, look: () => T | null | undefined): Promise<T> {
    let watch = () => {}
    const printed = new Promise<T>((resolve, reject) => {
      watch = () => {
        const found = look()
        if (found !== null && found !== undefined) resolve(found)
      }
      this.#watchers.add(watch)
      watch()
      void this.exit.then(() => reject(new Error(`it ended without ${what}: ${this.output}`)))
    })
    try {
      return await within(printed, what, DEADLINE_MS)
    } catch (error) {
      throw new Error(`${(error as Error).message} in: ${this.output}`, { cause: error })
    } finally {
      this.#watchers.delete(watch)
    }
  }

  async request(method: string, path: string, options?: RequestOptions): Promise<Answer> {
    const { port } = await this.listens()
    return request(port, method, path, options)
  }

  async ended(deadlineMs = DEADLINE_MS): Promise<Exit> {
    return within(this.exit, `the process to end: ${this.output}`, deadlineMs)
  }
}

export const run = (
  t: Test,
  args: string[],
  environment: NodeJS.ProcessEnv = {},
  fixtures: Record<string, string> = {},
  parent = join(FIXTURES, '..'),
) => {
  const folder = mkdtempSync(join(parent, 'main-'))
  mkdirSync(join(folder, 'workers'))
  for (const [name, fixture] of Object.entries(fixtures)) {
    copyFileSync(join(FIXTURES, `${fixture}.js`), join(folder, 'workers', `${name}.js`))
  }
  return new Process(t, folder, args, environment)
}

/** A server with one service that makes it hard to end the process, started. */
export const serve = async (t: Test, environment: NodeJS.ProcessEnv = {}, ...flags: string[]) => {
  const server = run(t, ['serve', 'workers', ...flags], environment, { holds: 'holds-the-process' })
  await server.prints(/services: holds running/)
  const holds = (method: string, json: unknown = {}) =>
    server.request('POST', `/v1/services/holds/call/${method}`, { json })
  return { server, holds }
}
