/** A process under measurement, and all it starts: what they have used together, and that none of them stays. */
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** USER_HZ: what /proc counts time in, on every Linux there is. */
const TICK_MS = 10
const STOPPED_WITHIN_MS = 10_000

export interface ProcessOptions {
  /** Of `node`; a file or URL. */
  program: string | URL
  args?: readonly string[]
  /** Options of `node` itself. */
  node?: readonly string[]
  environment?: Record<string, string>
  /** Of the command line, such as `taskset -c 0`. */
  prefix?: readonly string[]
  /** A channel to exchange messages with it. */
  ipc?: boolean
}

/** In a process group of its own, which is ended with this process, however that ends. */
const running = new Set<MeasuredProcess>()
process.on('exit', () => {
  for (const process of running) process.killGroup()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

export class MeasuredProcess {
  readonly child: ChildProcess
  readonly startedAt = performance.now()

  constructor({ program, args = [], node = [], environment, prefix = [], ipc = false }: ProcessOptions) {
    const path = program instanceof URL ? program.pathname : program
    const [command = '', ...rest] = [...prefix, process.execPath, ...node, path, ...args]
    const stdio: StdioOptions = ipc ? ['ignore', 'ignore', 'inherit', 'ipc'] : ['ignore', 'ignore', 'inherit']
    const env = { ...process.env, NODE_ENV: 'production', ...environment }
    this.child = spawn(command, rest, { env, stdio, detached: true })
    running.add(this)
  }

  get pid(): number {
    return this.child.pid as number
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** What it and its children have used of the processors, in all their threads. */
  get cpuMs(): number {
    return cpuMsOf(this.pid)
  }

  /** What it says next, over the channel. */
  async told(): Promise<unknown> {
    const over = new AbortController()
    const { signal } = over
    const ended = once(this.child, 'exit', { signal }).then(([code]) => {
      throw new Error(`its process ended with code ${code}`)
    })
    try {
      const [message] = (await Promise.race([once(this.child, 'message', { signal }), ended])) as unknown[]
      return message
    } finally {
      over.abort()
      ended.catch(() => {})
    }
  }

  async stop(): Promise<void> {
    if (!this.ended) {
      const ended = once(this.child, 'exit')
      this.child.kill('SIGTERM')
      const timeout = setTimeout(() => this.killGroup(), STOPPED_WITHIN_MS)
      await ended
      clearTimeout(timeout)
    }
    this.killGroup()
    running.delete(this)
  }

  /** With those that it has left behind. */
  killGroup(): void {
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // Nobody is left.
    }
  }
}

/** Source: proc(5), /proc/pid/stat; the name of the program, in brackets, may hold blanks. */
export function cpuMsOf(pid: number): number {
  const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? []
  // Its own, and that of the children it has waited for.
  const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS
  return childrenOf(pid).reduce((sum, child) => sum + cpuMsOf(child), own)
}

/** A child belongs to the thread that started it. */
function childrenOf(pid: number): number[] {
  const threads = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : []
  return threads.flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  )
}

/** Nothing, where the process or thread has ended meanwhile. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}
