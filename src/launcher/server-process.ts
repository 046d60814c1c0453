/** One server process: its start, what it has reported, and how it ended. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { ServerMessage } from '../contract/server-message.ts'
import { killGroup } from '../system/process-group.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { POOL_SIZE } from '../system/pool-size.ts'
import { timings } from './timings.ts'

export interface ServerEnd {
  /** If a signal ended the process: the code that a shell would show, 128 + the number of the signal. */
  exitCode: number
  signal: NodeJS.Signals | null
  ranMs: number
  /** The line of its stderr that gives the reason of the end. */
  lastWords: string | undefined
}

/** Characters of the end of stderr that are kept: V8 writes a long report when it aborts. */
const STDERR_KEPT = 16_384
/** The line that V8 or Node writes when it aborts the process. */
const LINE_OF_ABORT = /^(?:FATAL ERROR: |# Fatal (?!error in)|# Check failed: |.*Assertion `).*/gm
/** The line of a server that exits: its own message, or an uncaught error. */
const LINE_OF_EXIT = /^(?:threadplane|\w*Error): .*/gm

export class ServerProcess {
  stage: 'starting' | 'serving' | 'closing' = 'starting'
  port: number | undefined
  /** The services and their states, as text. */
  services = 'none'
  readonly ended: Promise<ServerEnd>
  readonly #child: ChildProcess
  readonly #startedAt = performance.now()
  #stderr = ''

  constructor(environment: NodeJS.ProcessEnv) {
    this.#child = fork(fileURLToPath(new URL('../server/entry.js', import.meta.url)), {
      // The pool of libuv takes its size from the environment, and only before it is first used.
      env: { UV_THREADPOOL_SIZE: POOL_SIZE, ...environment },
      // In a process group of its own: a terminal sends Ctrl-C to the launcher only, which passes it on once.
      detached: true,
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    this.#child.on('message', (message: ServerMessage) => this.#receive(message))
    // Without a listener an error would be uncaught. `#end` handles the error of a failed start.
    this.#child.on('error', () => {})
    this.#child.stderr?.pipe(process.stderr)
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT)
    })
    this.ended = this.#end()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  #receive(message: ServerMessage): void {
    switch (message.type) {
      case 'listening':
        this.port = message.port
        if (this.stage === 'starting') this.stage = 'serving'
        break
      case 'services':
        this.services = message.states
        break
      case 'closing':
        this.stage = 'closing'
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async #end(): Promise<ServerEnd> {
    const closed = once(this.#child, 'close').catch(() => {})
    try {
      const [code, signal] = (await once(this.#child, 'exit')) as [number | null, NodeJS.Signals | null]
      // End the processes that services have started in this group, by `execSync` for example.
      killGroup(this.pid as number)
      await resolvesWithin(closed, timings.readOutputWithinMs)
      const lines = this.#stderr.match(signal === null ? LINE_OF_EXIT : LINE_OF_ABORT)
      const exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal]
      return { exitCode, signal, ranMs: this.#ranMs, lastWords: lines?.at(-1) }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const advice = code === 'EMFILE' ? ': raise the limit of open files (ulimit -n) to 1024 or more' : ''
      const lastWords = `threadplane: the server process cannot be started: ${message}${advice}`
      console.error(lastWords)
      return { exitCode: 1, signal: null, ranMs: this.#ranMs, lastWords }
    }
  }

  get #ranMs(): number {
    return Math.round(performance.now() - this.#startedAt)
  }
}
