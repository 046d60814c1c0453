/**
 * How often, and how soon, a supervisor restarts: at most `maxRestarts` within a sliding `periodMs`, each after a delay
 * that doubles from restart to restart. A restart stops counting, for the number and for the delay, `periodMs` after it
 * succeeded: neither the delay nor a start that fails is healthy time.
 */
import type { ResolvedServiceOptions } from '../contract/options.ts'

export type RestartPolicy = Pick<
  ResolvedServiceOptions['restart'],
  'maxRestarts' | 'periodMs' | 'backoffMs' | 'backoffMaxMs'
>

/**
 * Longest delay of a restart that costs nothing: a job that crashes its thread again and again delays others' no
 * longer.
 */
const GRANTED_BACKOFF_MAX_MS = 1_000

export class RestartBudget {
  /** May be changed; restarts already taken stay taken. */
  policy: RestartPolicy
  /** When each restart succeeded; infinity for a restart that has not succeeded yet. */
  #restarts: number[] = []
  /** When each restart that cost nothing was granted. */
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

  /** Was no restart taken or granted in the present period? */
  get isUntouched(): boolean {
    const since = performance.now() - this.policy.periodMs
    return this.remaining === this.policy.maxRestarts && !this.#granted.some((at) => at > since)
  }

  /**
   * Takes a restart from the budget. Returns the delay before it in milliseconds; `undefined` if the budget is spent.
   */
  take(): number | undefined {
    if (this.remaining <= 0) return undefined
    const delayMs = Math.min(this.policy.backoffMs * 2 ** this.#restarts.length, this.policy.backoffMaxMs)
    this.#restarts.push(Number.POSITIVE_INFINITY)
    return jittered(delayMs)
  }

  /**
   * Grants a restart that costs nothing. Returns the delay before it: without one, repeated crashes would restart in a
   * busy loop.
   */
  grant(): number {
    const { periodMs, backoffMs, backoffMaxMs } = this.policy
    const now = performance.now()
    this.#granted = this.#granted.filter((at) => at > now - periodMs)
    const delayMs = Math.min(backoffMs * 2 ** this.#granted.length, backoffMaxMs, GRANTED_BACKOFF_MAX_MS)
    this.#granted.push(now)
    return jittered(delayMs)
  }

  /** A start has succeeded: from now on the restarts that led to it grow old. */
  started(): void {
    const now = performance.now()
    this.#restarts = this.#restarts.map((at) => Math.min(at, now))
  }

  /** A fresh budget, as a person starts the service. */
  reset(): void {
    this.#restarts = []
    this.#granted = []
  }
}

/** Half of a delay is random, so that services that crashed together do not restart together. */
function jittered(delayMs: number): number {
  return delayMs * (0.5 + Math.random() / 2)
}
