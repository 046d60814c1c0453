/** A process under measurement and all processes that it starts: their CPU time together, and their end. */
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** /proc counts CPU time in units of 10 ms (USER_HZ), on every Linux. */
const TICK_MS = 10
const STOPPED_WITHIN_MS = 10_000

export interface ProcessOptions {
  /** What `node` runs: a file or a URL. */
  program: string | URL
  args?: readonly string[]
  /** Options of `node` itself. */
  node?: readonly string[]
  environment?: Record<string, string>
  /** Put before the command line, such as `taskset -c 0`. */
  prefix?: readonly string[]
  /** Open a channel to exchange messages with the process. */
  ipc?: boolean
}

/** Each leads a process group of its own, which is killed when this process exits. */
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

  /** CPU time of the process and its children, in all their threads. */
  get cpuMs(): number {
    return cpuMsOf(this.pid)
  }

  /** The next message of the process. */
  async nextMessage(): Promise<unknown> {
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

  /** Kills the process, and every process that is left of its group. */
  killGroup(): void {
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // No process of the group is left.
    }
  }
}

/** Source: proc(5), /proc/pid/stat; the name of the program, in brackets, may contain spaces. */
export function cpuMsOf(pid: number): number {
  const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? []
  // User and system time of the process, and of the children that it has waited for.
  const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS
  return childrenOf(pid).reduce((sum, child) => sum + cpuMsOf(child), own)
}

/** Resident memory of a process and its children. Source: proc(5), /proc/pid/status */
export function rssBytesOf(pid: number): number {
  const [, kB] = /VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`)) ?? []
  return childrenOf(pid).reduce((sum, child) => sum + rssBytesOf(child), Number(kB ?? 0) * 1_024)
}

/** /proc lists a child under the thread that started it. */
function childrenOf(pid: number): number[] {
  const threads = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : []
  return threads.flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  )
}

/** Empty if the process or thread has ended meanwhile. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}
