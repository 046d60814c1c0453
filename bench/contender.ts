/** A server under measurement, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

const READY_WITHIN_MS = 20_000
/** USER_HZ: what /proc counts time in, on every Linux there is. */
const TICK_MS = 10

export interface ContenderOptions {
  name: string
  /** Of `node`; relative to `dist/bench`. */
  program: string
  args?: string[]
  path: string
  /** The name of the environment variable that takes the port. */
  portVariable?: string
  environment?: Record<string, string>
  /** Of the command line, such as `taskset -c 0`. */
  prefix: string[]
  /** What it answers to 2 and 3. */
  answers?: RegExp
}

export class Contender {
  readonly name: string
  readonly url: string
  readonly #child: ChildProcess
  readonly #answers: RegExp

  private constructor(name: string, url: string, child: ChildProcess, answers: RegExp) {
    this.#answers = answers
    this.name = name
    this.url = url
    this.#child = child
  }

  /** Starts it and waits until it answers to 2 and 3. */
  static async start(options: ContenderOptions): Promise<Contender> {
    const {
      name,
      program,
      args = [],
      path,
      portVariable = 'PORT',
      environment,
      prefix,
      answers = /^{"sum":5}$/,
    } = options
    const port = await freePort()
    const node = [process.execPath, new URL(program, import.meta.url).pathname, ...args]
    const [command = '', ...rest] = [...prefix, ...node]
    const child = spawn(command, rest, {
      env: { ...process.env, NODE_ENV: 'production', ...environment, [portVariable]: String(port) },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const contender = new Contender(name, `http://127.0.0.1:${port}${path}`, child, answers)
    try {
      await contender.#ready()
      return contender
    } catch (error) {
      await contender.stop()
      throw error
    }
  }

  async #ready(): Promise<void> {
    const until = performance.now() + READY_WITHIN_MS
    for (;;) {
      if (this.#child.exitCode !== null) throw new Error(`${this.name} ended with code ${this.#child.exitCode}`)
      const answer = await this.#add().catch((error: unknown) => String(error))
      if (this.#answers.test(answer)) return
      if (performance.now() > until) throw new Error(`${this.name} is not ready: ${answer}`)
      await sleep(100)
    }
  }

  async #add(): Promise<string> {
    const headers = { 'content-type': 'application/json' }
    const signal = AbortSignal.timeout(1_000)
    const response = await fetch(this.url, { method: 'POST', headers, body: '{"a":2,"b":3}', signal })
    return response.text()
  }

  /** What it and its children have used of the processors, in milliseconds. */
  get cpuMs(): number {
    return cpuMs(this.#child.pid as number)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const timeout = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(timeout)
  }
}

/** What a process and its children have used of the processors, in milliseconds. */
export function cpuMs(pid: number): number {
  // The name of the program, in brackets, may hold blanks. Source: proc(5), /proc/pid/stat
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  const own = (Number(fields[11]) + Number(fields[12])) * TICK_MS
  return children.reduce((sum, child) => sum + cpuMs(Number(child)), own)
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
