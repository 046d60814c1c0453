/**
 * A threadplane server in a process of its own, for checks that start, kill and restart it. By default it runs without
 * a launcher, so that the process that is killed and measured is the server.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const WORKERS = fileURLToPath(new URL('./workers/', import.meta.url))
const main = fileURLToPath(new URL('../src/main.js', import.meta.url))

export interface LaunchOptions {
  /** Folder of service modules. Default: those of the bench. */
  workers?: string
  /** Put before the command line, such as `strace -f`. */
  prefix?: string[]
  /** Where it can be reached. Default: where it says that it listens. */
  url?: string
  environment?: Record<string, string>
  /** Run the server under the launcher, which restarts it. */
  supervised?: boolean
}

export class Plane {
  readonly url: string
  /** Time from its launch to the first 200 of `/readyz`. */
  readonly readyMs: number
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  constructor(child: ChildProcess, url: string, readyMs: number) {
    this.#child = child
    this.#ended = once(child, 'exit')
    this.url = url
    this.readyMs = readyMs
  }

  /** Process id of the server under the launcher; `undefined` while there is none. */
  get serverPid(): number | undefined {
    return childrenOf(this.pid)[0]
  }

  isReady(): Promise<boolean> {
    return isReady(this.url)
  }

  get pid(): number {
    return this.#child.pid as number
  }

  get rssBytes(): number {
    return this.#memory('VmRSS')
  }

  /** The most it has had. */
  get peakRssBytes(): number {
    return this.#memory('VmHWM')
  }

  #memory(name: string): number {
    const [, kB] = new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${this.pid}/status`, 'utf8')) ?? []
    return Number(kB) * 1_024
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Stops it by SIGTERM, as an operator does; resolves with its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    await this.#ended
    return this.#child.exitCode
  }

  async send(path: string, body?: string, contentType = 'application/json'): Promise<Response> {
    if (body === undefined) return fetch(`${this.url}${path}`)
    return fetch(`${this.url}${path}`, { method: 'POST', headers: { 'content-type': contentType }, body })
  }
}

/** Ids of the processes that the main thread of a process has started. */
export function childrenOf(pid: number): number[] {
  const ids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return ids.split(' ').filter(Boolean).map(Number)
}

/** Starts it on a data folder, and waits until it is ready. */
export async function launch(data: string, options: LaunchOptions = {}): Promise<Plane> {
  const { workers = WORKERS, prefix = [], environment, supervised = false } = options
  const since = performance.now()
  // The server refuses to start with a THREADPLANE_ variable that is not a setting of its own.
  const { THREADPLANE_SOAK: _, ...inherited } = process.env
  const env = {
    ...inherited,
    THREADPLANE_PORT: '0',
    THREADPLANE_DATA: data,
    THREADPLANE_LOG_LEVEL: 'info',
    ...environment,
  }
  const [command, ...args] = [...prefix, process.execPath, main, 'serve', workers]
  if (!supervised) args.push('--no-supervise')
  const child = spawn(command as string, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let last = ''
  for await (const line of createInterface({ input: child.stdout })) {
    last = line
    const [listening] = /http:\/\/[\d.]+:\d+/.exec(line) ?? []
    if (listening === undefined) continue
    const { url = listening } = options
    child.stdout.resume()
    while (!(await isReady(url))) await sleep(5)
    return new Plane(child, url, performance.now() - since)
  }
  throw new Error(`the server ended before it listened: ${last}`)
}

async function isReady(url: string): Promise<boolean> {
  const ready = await fetch(`${url}/readyz`).catch(() => undefined)
  return ready?.ok ?? false
}
