/**
 * The small process above the server. Exhausted memory or a native crash of a thread aborts the whole server process.
 * The launcher reports what died and starts the server again, with all jobs in place (P4). Terminals and containers
 * signal the launcher, which passes the signals on. When the launcher ends, in whatever way, the server ends too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import ms from 'ms'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { createLogger } from '../log.ts'
import { endsOnHangup } from '../system/hangup.ts'
import { RestartBudget } from '../supervision/restart-budget.ts'
import { type ServerEnd, ServerProcess } from './server-process.ts'
import { timings } from './timings.ts'

const CLOSING_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const
/** The exit code that a shell shows for a process that SIGKILL ended. */
const EXIT_CODE_OF_SIGKILL = 137

/** What the operator wants of the server. */
type Wanted =
  | { kind: 'running' }
  | { kind: 'closed'; signal: NodeJS.Signals; since: number }
  /** The operator sent a second signal, or the server did not close in time. */
  | { kind: 'killed' }

export class Launcher {
  readonly #config: Config
  readonly #environment: NodeJS.ProcessEnv
  readonly #budget = new RestartBudget(timings.restarts)
  /** Aborted by the first signal. */
  readonly #closing = new AbortController()
  #wanted: Wanted = { kind: 'running' }
  #server: ServerProcess | undefined
  #logger: Logger | undefined

  /** @param environment what `config` was read from: the server process reads it again */
  constructor(config: Config, environment: NodeJS.ProcessEnv) {
    this.#config = config
    this.#environment = { ...environment }
  }

  /** Created at the first line, because on a terminal the logger starts a thread. */
  get #log(): Logger {
    return (this.#logger ??= createLogger(this.#config))
  }

  /** Keeps a server running until the operator closes it, or until it cannot be kept running. Resolves with the exit code. */
  async run(): Promise<number> {
    for (const signal of CLOSING_SIGNALS) process.on(signal, () => this.#onSignal(signal))
    // Without a listener it would open a debugger.
    process.on('SIGUSR1', () => {})
    // The stderr of the server is piped there. Its reader may go away: that is no reason to end.
    process.stderr.on('error', () => {})
    const { signal: closing } = this.#closing
    for (let hasServed = false; ; ) {
      const server = new ServerProcess(this.#environment)
      this.#server = server
      const end = await server.ended
      if (closing.aborted || server.stage === 'closing') return this.#exitCodeOfClosed(server, end)
      hasServed ||= server.stage === 'serving'
      // If the first server exits before it serves, it has printed the reason itself, and would fail again.
      if (hasServed || end.signal !== null) this.#reportDeath(server, end)
      if (!hasServed) return end.exitCode

      const delayMs = this.#budget.take()
      if (delayMs === undefined) return this.#giveUp()
      this.#log.warn({ delayMs: Math.round(delayMs), left: this.#budget.remaining }, 'restarting the server')
      if (server.port !== undefined) this.#environment.THREADPLANE_PORT = String(server.port)
      await sleep(delayMs, undefined, { signal: closing }).catch(() => this.#log.info('the server is closed'))
      if (closing.aborted) return 0
    }
  }

  /** The first signal closes the server gracefully, the second one kills it. */
  #onSignal(signal: NodeJS.Signals): void {
    if (signal === 'SIGHUP' && !endsOnHangup) return
    if (this.#wanted.kind === 'running') {
      this.#wanted = { kind: 'closed', signal, since: performance.now() }
      this.#server?.kill(signal)
      const { closeDelayMs, shutdownTimeoutMs } = this.#config
      setTimeout(() => this.#killLateServer(), closeDelayMs + shutdownTimeoutMs + timings.overtimeMs).unref()
      this.#closing.abort()
    } else if (!this.#isEcho(signal)) this.#kill()
  }

  /** True for the SIGINT that npm sends after a Ctrl-C, which the terminal has sent to this process already. */
  #isEcho(signal: NodeJS.Signals): boolean {
    const wanted = this.#wanted
    if (wanted.kind !== 'closed' || this.#environment.npm_lifecycle_event === undefined) return false
    return signal === 'SIGINT' && wanted.signal === signal && performance.now() - wanted.since < timings.echoWithinMs
  }

  #killLateServer(): void {
    const { shutdownTimeoutMs } = this.#config
    this.#log.error(
      `the server is killed: it did not close within THREADPLANE_SHUTDOWN_TIMEOUT (${shutdownTimeoutMs} ms) ` +
        `and ${timings.overtimeMs} ms more`,
    )
    this.#kill()
  }

  #kill(): void {
    this.#wanted = { kind: 'killed' }
    this.#server?.kill('SIGKILL')
  }

  #exitCodeOfClosed(server: ServerProcess, end: ServerEnd): number {
    const wanted = this.#wanted
    if (wanted.kind === 'killed') return EXIT_CODE_OF_SIGKILL
    if (end.signal === null) return end.exitCode
    // A server with a thread in native code ends itself with SIGKILL: that is a graceful end too.
    const isGraceful = end.signal === 'SIGKILL' || (wanted.kind === 'closed' && end.signal === wanted.signal)
    if (!isGraceful) this.#reportDeath(server, end)
    else if (server.stage === 'starting') this.#log.info('the server is closed')
    return 0
  }

  #giveUp(): number {
    const { maxRestarts, periodMs } = this.#budget.policy
    this.#log.fatal(
      `given up: more than ${maxRestarts} restarts of the server within ${ms(periodMs)}; ` +
        'the lines above say why each server died',
    )
    return 1
  }

  #reportDeath({ pid, services }: ServerProcess, { exitCode, signal, ranMs, lastWords }: ServerEnd): void {
    const how = signal === null ? `with exit code ${exitCode}` : `of ${signal}`
    const facts = { server: pid, ...(signal === null ? { exitCode } : { signal }), ranMs, services, lastWords }
    this.#log.fatal(facts, `the server died ${how} after ${ms(ranMs)}${lastWords ? `: ${lastWords}` : ''}`)
  }
}
