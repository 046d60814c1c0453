/** Owns one server process, and knows how far it has come, what it said of itself, and how it ended. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { ServerMessage } from '../contract/server-message.ts'
import { killGroup } from '../system/process-group.ts'
import { within } from '../async/deadline.ts'

export interface ServerEnd {
  /** Of the process; of one that was ended by a signal, what a shell would say. */
  exitCode: number
  signal: NodeJS.Signals | null
  ranMs: number
  /** What was written to its stderr about that. */
  lastWords: string | undefined
}

/** Enough for what V8 writes when it aborts. */
const STDERR_KEPT = 16_384
/** What a dead process has written is read by then. Whatever it started may hold its stderr for ever. */
const READ_WITHIN_MS = 500
/** Of V8 and Node when they abort. */
const WORDS_OF_ABORT = /^(?:FATAL ERROR: |# Fatal (?!error in)|# Check failed: |.*Assertion `).*/gm
/** Of a server that gives up: our own, or those of an error that nobody caught. */
const WORDS_OF_EXIT = /^(?:threadplane|\w*Error): .*/gm

export class ServerProcess {
  stage: 'starting' | 'serving' | 'closing' = 'starting'
  port: number | undefined
  services = 'none'
  readonly ended: Promise<ServerEnd>
  readonly #child: ChildProcess
  readonly #since = performance.now()
  #stderr = ''

  constructor(environment: NodeJS.ProcessEnv) {
    this.#child = fork(fileURLToPath(new URL('../server/entry.js', import.meta.url)), {
      env: environment,
      // In a process group of its own: Ctrl-C reaches it through its supervisor, and once.
      detached: true,
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    this.#child.on('message', (message: ServerMessage) => this.#hear(message))
    // Where it matters, `ended` tells of it.
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

  #hear(message: ServerMessage): void {
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
      // What a service started, `execSync` say, and did not detach, ends with the server.
      killGroup(this.pid as number)
      await within(closed, READ_WITHIN_MS)
      const words = this.#stderr.match(signal === null ? WORDS_OF_EXIT : WORDS_OF_ABORT)
      const exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal]
      return { exitCode, signal, ranMs: this.#ranMs, lastWords: words?.at(-1) }
    } catch (error) {
      const lastWords = `threadplane: the server process cannot be started: ${(error as Error).message}`
      console.error(lastWords)
      return { exitCode: 1, signal: null, ranMs: this.#ranMs, lastWords }
    }
  }

  get #ranMs(): number {
    return Math.round(performance.now() - this.#since)
  }
}
