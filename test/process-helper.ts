/** Threadplane as a process: an operator starts it, reads its output, sends it signals and kills it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { timings } from '../src/launcher/timings.ts'
import { type Answer, type LogRecord, request, type RequestOptions, within } from './http-helper.ts'

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url))
/** Long, because a process starts slowly on a busy machine, and a crash loop is several starts. */
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

  /** @param inTerminal give it a terminal of its own, by the program `script` */
  constructor(t: Test, folder: string, args: string[], environment: NodeJS.ProcessEnv, inTerminal = false) {
    this.folder = folder
    const { PATH } = process.env
    const env = { PATH, THREADPLANE_PORT: '0', THREADPLANE_DATA: join(folder, 'data'), ...environment }
    const line = [process.execPath, MAIN, ...args]
    const inTerminalLine = ['script', '--quiet', '--return', '--command', `exec ${line.join(' ')}`, '/dev/null']
    const [program = '', ...rest] = inTerminal ? inTerminalLine : line
    this.child = spawn(program, rest, { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
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

  /** Resolves once the output matches. */
  prints(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(`${pattern}`, () => pattern.exec(this.output))
  }

  /** Resolves with the line of the log that is the n-th with this message. */
  logs(message: RegExp, times = 1): Promise<LogRecord> {
    return this.#until(`${times} × ${message}`, () => {
      const lines = this.output.split('\n').slice(0, -1)
      const records = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogRecord)
      return records.filter(({ msg }) => message.test(msg))[times - 1]
    })
  }

  /** Resolves once the n-th server process listens. */
  async listens(times = 1): Promise<{ pid: number; port: number }> {
    const { pid, msg } = await this.logs(/listening at/, times)
    return { pid: pid as number, port: Number(/:(\d+)$/.exec(msg)?.[1]) }
  }

  async #until<T>(what: string, find: () => T | null | undefined): Promise<T> {
    let watch = () => {}
    const printed = new Promise<T>((resolve, reject) => {
      watch = () => {
        const found = find()
        if (found !== null && found !== undefined) resolve(found)
      }
      this.#watchers.add(watch)
      watch()
      void this.exit.then(() => reject(new Error(`the process ended without ${what}: ${this.output}`)))
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

/** A new folder with a folder `workers` of these services: names → fixtures. */
export function workersFolder(fixtures: Record<string, string>, parent = join(FIXTURES, '..')): string {
  const folder = mkdtempSync(join(parent, 'main-'))
  mkdirSync(join(folder, 'workers'))
  for (const [name, fixture] of Object.entries(fixtures)) {
    copyFileSync(join(FIXTURES, `${fixture}.js`), join(folder, 'workers', `${name}.js`))
  }
  return folder
}

/** Runs the command line in a new folder, which is removed after the test. */
export function run(
  t: Test,
  args: string[],
  environment: NodeJS.ProcessEnv = {},
  fixtures: Record<string, string> = {},
): Process {
  return new Process(t, workersFolder(fixtures), args, environment)
}

/** The environment of a launcher with other timings. */
export function launcherTimings(changes: Partial<typeof timings>): NodeJS.ProcessEnv {
  const preload = fileURLToPath(new URL('./fixtures/launcher-timings.js', import.meta.url))
  return { NODE_OPTIONS: `--import=${preload}`, TEST_LAUNCHER_TIMINGS: JSON.stringify(changes) }
}

/** A started server with one service, `holds`, whose methods keep the process from ending. */
export const serve = async (t: Test, environment: NodeJS.ProcessEnv = {}, ...flags: string[]) => {
  const server = run(t, ['serve', 'workers', ...flags], environment, { holds: 'holds-the-process' })
  await server.prints(/services: holds running/)
  const holds = (method: string, json: unknown = {}) =>
    server.request('POST', `/v1/services/holds/call/${method}`, { json })
  return { server, holds }
}
