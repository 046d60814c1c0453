/**
 * How often, and how soon, a supervisor restarts: `maxRestarts` within a sliding `periodMs`, with a delay that
 * doubles from restart to restart, and heals after a period without one. The period begins when a restart has
 * succeeded: neither the delay nor a start that takes long, and then fails, is healthy time.
 */
import type { ResolvedServiceOptions } from '../contract/options.ts'

export type RestartPolicy = Pick<
  ResolvedServiceOptions['restart'],
  'maxRestarts' | 'periodMs' | 'backoffMs' | 'backoffMaxMs'
>

/** One client's poison holds up the others no longer than this. */
const GRANTED_BACKOFF_MAX_MS = 1_000

export class RestartBudget {
  /** May be changed; what is spent stays spent. */
  policy: RestartPolicy
  /** When each restart was through; those still to come are at infinity. */
  #restarts: number[] = []
  #granted: number[] = []

  constructor(policy: RestartPolicy) {
    this.policy = policy
  }

  /** Restarts left in the present period. */
  get remaining(): number {
    const since = performance.now() - this.policy.periodMs
    this.#restarts = this.#restarts.filter((at) => at > since)
    return this.policy.maxRestarts - this.#restarts.length
  }

  /** Milliseconds to wait before the next restart, which is taken from the budget; `undefined` if that is spent. */
  take(): number | undefined {
    if (this.remaining <= 0) return undefined
    const delayMs = Math.min(this.policy.backoffMs * 2 ** this.#restarts.length, this.policy.backoffMaxMs)
    this.#restarts.push(Number.POSITIVE_INFINITY)
    return jittered(delayMs)
  }

  /** As {@link take}, for a restart that costs nothing: it is delayed all the same, so that no stream of them spins. */
  grant(): number {
    const { periodMs, backoffMs, backoffMaxMs } = this.policy
    const now = performance.now()
    this.#granted = this.#granted.filter((at) => at > now - periodMs)
    const delayMs = Math.min(backoffMs * 2 ** this.#granted.length, backoffMaxMs, GRANTED_BACKOFF_MAX_MS)
    this.#granted.push(now)
    return jittered(delayMs)
  }

  /** A start has succeeded, and with it what was tried before. */
  started(): void {
    const now = performance.now()
    this.#restarts = this.#restarts.map((at) => Math.min(at, now))
  }

  /** Somebody started it by hand: a fresh budget. */
  reset(): void {
    this.#restarts = []
    this.#granted = []
  }
}

/** Half of it is jitter, so that what crashed together does not come back together. */
function jittered(delayMs: number): number {
  return delayMs * (0.5 + Math.random() / 2)
}
