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
import { RestartBudget } from '../service/restart-budget.ts'
import { type ServerEnd, ServerProcess } from './server-process.ts'

const RESTARTS = { maxRestarts: 5, periodMs: 60_000, backoffMs: 100, backoffMaxMs: 30_000 }
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

export class PlaneSupervisor {
  readonly #config: Config
  readonly #environment: NodeJS.ProcessEnv
  readonly #budget = new RestartBudget(RESTARTS)
  /** Ends the wait for a restart. */
  readonly #closing = new AbortController()
  #wanted: Wanted = { kind: 'running' }
  #server: ServerProcess | undefined
  #logger: Logger | undefined

  /** @param environment what the configuration was read from; the server reads it again */
  constructor(config: Config, environment: NodeJS.ProcessEnv) {
    this.#config = config
    this.#environment = { ...environment }
  }

  /** A thread comes with it on a terminal, so it is made when there is something to say. */
  get #log(): Logger {
    return (this.#logger ??= createLogger(this.#config))
  }

  /** Keeps the server up until somebody wants it closed; the exit code then. */
  async run(): Promise<number> {
    for (const signal of CLOSING_SIGNALS) process.on(signal, () => this.#onSignal(signal))
    // What the server writes there is passed on. Who reads it may go; the server stays.
    process.stderr.on('error', () => {})
    for (let served = false; ; ) {
      this.#server = new ServerProcess(this.#environment)
      const end = await this.#server.ended
      const { stage, port } = this.#server
      if (this.#wanted.kind !== 'running' || stage === 'closing') return this.#closed(this.#server, end)
      served ||= stage === 'serving'
      // It has said why, and would say it again.
      if (!served && end.signal === null) return end.exitCode
      this.#report(this.#server, end)
      if (!served) return end.exitCode
      if (port !== undefined) this.#environment.THREADPLANE_PORT = String(port)
      if (!(await this.#backoff())) return this.#wanted.kind === 'running' ? 1 : 0
    }
  }

  /** The first one closes the server in good order, the second one ends it now. */
  #onSignal(signal: NodeJS.Signals): void {
    if (this.#wanted.kind === 'running') {
      this.#wanted = { kind: 'closed', signal, since: performance.now() }
      this.#server?.kill(signal)
      setTimeout(() => this.#kill(), this.#config.shutdownTimeoutMs + OVERTIME_MS).unref()
      this.#closing.abort()
    } else if (!this.#isEcho(signal)) this.#kill()
  }

  #isEcho(signal: NodeJS.Signals): boolean {
    return (
      this.#wanted.kind === 'closed' &&
      this.#wanted.signal === signal &&
      signal === 'SIGINT' &&
      process.env.npm_lifecycle_event !== undefined &&
      performance.now() - this.#wanted.since < ECHO_WITHIN_MS
    )
  }

  #kill(): void {
    this.#wanted = { kind: 'killed' }
    this.#server?.kill('SIGKILL')
  }

  /** The exit code. It ends itself by SIGKILL where a thread is blocked in native code, and that is in good order. */
  #closed(server: ServerProcess, end: ServerEnd): number {
    const wanted = this.#wanted
    if (wanted.kind === 'killed') return KILLED
    const asked = wanted.kind === 'closed' ? wanted.signal : undefined
    if (end.signal === null) return end.exitCode
    if (end.signal !== 'SIGKILL' && end.signal !== asked) this.#report(server, end)
    else if (server.stage === 'starting') this.#log.info(`${asked}: closed while it started`)
    return 0
  }

  #report({ pid, services }: ServerProcess, { exitCode, signal, ranMs, lastWords }: ServerEnd): void {
    const how = signal === null ? `with exit code ${exitCode}` : `of ${signal}`
    const facts = { server: pid, ...(signal === null ? { exitCode } : { signal }), ranMs, services, lastWords }
    this.#log.fatal(facts, `the server died ${how} after ${ms(ranMs)}${lastWords ? `: ${lastWords}` : ''}`)
  }

  /** False if there is no restart: the budget is spent, or a signal came. */
  async #backoff(): Promise<boolean> {
    const delayMs = this.#budget.take()
    if (delayMs === undefined) {
      const { maxRestarts, periodMs } = this.#budget.policy
      this.#log.fatal(`given up: more than ${maxRestarts} restarts of the server within ${ms(periodMs)}`)
      return false
    }
    this.#log.warn({ delayMs: Math.round(delayMs), left: this.#budget.remaining }, 'restarting the server')
    await sleep(delayMs, undefined, { signal: this.#closing.signal }).catch(() => {})
    return this.#wanted.kind === 'running'
  }
}
