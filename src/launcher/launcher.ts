/**
 * The small process above the server. Out of memory and native crashes of a thread abort the whole server process; this
 * one brings it back, with all casts in place (P4), and reports what died. It is what a terminal or a container talks
 * to, so signals come here first; and the server ends when this process does, in whatever way.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import ms from 'ms'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { createLogger } from '../log.ts'
import { RestartBudget } from '../supervision/restart-budget.ts'
import { type ServerEnd, ServerProcess } from './server-process.ts'

const RESTARTS = { maxRestarts: 5, periodMs: 60_000, backoffMs: 100, backoffMaxMs: 500 }
const CLOSING_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const
/** A server that takes so much longer than THREADPLANE_SHUTDOWN_TIMEOUT cannot end itself. */
const OVERTIME_MS = 2_000
/** npm passes on the Ctrl-C that the terminal has sent already, as a second one. */
const ECHO_WITHIN_MS = 500
/** What a shell says of a process that was ended by SIGKILL. */
const KILLED = 137

/** What becomes of the server when it ends. */
type Wanted =
  | { kind: 'running' }
  | { kind: 'closed'; signal: NodeJS.Signals; since: number }
  /** By a second signal, or because it did not close in time. */
  | { kind: 'killed' }

export class Launcher {
  readonly #config: Config
  readonly #environment: NodeJS.ProcessEnv
  readonly #budget = new RestartBudget(RESTARTS)
  /** Aborted by the first signal. */
  readonly #closing = new AbortController()
  #wanted: Wanted = { kind: 'running' }
  #server: ServerProcess | undefined
  #logger: Logger | undefined

  /** @param environment what the configuration was read from; the server reads it again */
  constructor(config: Config, environment: NodeJS.ProcessEnv) {
    this.#config = config
    this.#environment = { ...environment }
  }

  /** On a terminal a thread comes with it, so it is made when there is something to say. */
  get #log(): Logger {
    return (this.#logger ??= createLogger(this.#config))
  }

  /** Keeps the server up until somebody wants it closed; the exit code then. */
  async run(): Promise<number> {
    for (const signal of CLOSING_SIGNALS) process.on(signal, () => this.#onSignal(signal))
    // What the server writes there is passed on. Who reads it may go; the server stays.
    process.stderr.on('error', () => {})
    const { signal: closing } = this.#closing
    for (let served = false; ; ) {
      const server = new ServerProcess(this.#environment)
      this.#server = server
      const end = await server.ended
      if (closing.aborted || server.stage === 'closing') return this.#closed(server, end)
      served ||= server.stage === 'serving'
      // One that never served has said itself why it ends, unless a signal ended it; and it would end so again.
      if (served || end.signal !== null) this.#report(server, end)
      if (!served) return end.exitCode

      const delayMs = this.#budget.take()
      if (delayMs === undefined) return this.#giveUp()
      this.#log.warn({ delayMs: Math.round(delayMs), left: this.#budget.remaining }, 'restarting the server')
      if (server.port !== undefined) this.#environment.THREADPLANE_PORT = String(server.port)
      await sleep(delayMs, undefined, { signal: closing }).catch(() => this.#log.info('closed'))
      if (closing.aborted) return 0
    }
  }

  /** The first one closes the server in good order, the second one ends it now. */
  #onSignal(signal: NodeJS.Signals): void {
    if (this.#wanted.kind === 'running') {
      this.#wanted = { kind: 'closed', signal, since: performance.now() }
      this.#server?.kill(signal)
      setTimeout(() => this.#killLate(), this.#config.shutdownTimeoutMs + OVERTIME_MS).unref()
      this.#closing.abort()
    } else if (!this.#isEcho(signal)) this.#kill()
  }

  #isEcho(signal: NodeJS.Signals): boolean {
    const wanted = this.#wanted
    if (wanted.kind !== 'closed' || this.#environment.npm_lifecycle_event === undefined) return false
    return signal === 'SIGINT' && wanted.signal === signal && performance.now() - wanted.since < ECHO_WITHIN_MS
  }

  #killLate(): void {
    this.#log.error('the server is killed: it did not close within THREADPLANE_SHUTDOWN_TIMEOUT')
    this.#kill()
  }

  #kill(): void {
    this.#wanted = { kind: 'killed' }
    this.#server?.kill('SIGKILL')
  }

  /** The exit code. A server that a thread in native code holds ends itself by SIGKILL, and that is in good order. */
  #closed(server: ServerProcess, end: ServerEnd): number {
    const wanted = this.#wanted
    if (wanted.kind === 'killed') return KILLED
    if (end.signal === null) return end.exitCode
    const inOrder = end.signal === 'SIGKILL' || (wanted.kind === 'closed' && end.signal === wanted.signal)
    if (!inOrder) this.#report(server, end)
    else if (server.stage === 'starting') this.#log.info('closed')
    return 0
  }

  #giveUp(): number {
    const { maxRestarts, periodMs } = this.#budget.policy
    this.#log.fatal(`given up: more than ${maxRestarts} restarts of the server within ${ms(periodMs)}`)
    return 1
  }

  #report({ pid, services }: ServerProcess, { exitCode, signal, ranMs, lastWords }: ServerEnd): void {
    const how = signal === null ? `with exit code ${exitCode}` : `of ${signal}`
    const facts = { server: pid, ...(signal === null ? { exitCode } : { signal }), ranMs, services, lastWords }
    this.#log.fatal(facts, `the server died ${how} after ${ms(ranMs)}${lastWords ? `: ${lastWords}` : ''}`)
  }
}
