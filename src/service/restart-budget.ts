/**
 * How often, and how soon, a supervisor restarts: `maxRestarts` within a sliding `periodMs`, with a delay that
 * doubles from restart to restart, and heals after a period without one.
 */
import type { ResolvedServiceOptions } from '../options.ts'

export type RestartPolicy = Pick<
  ResolvedServiceOptions['restart'],
  'maxRestarts' | 'periodMs' | 'backoffMs' | 'backoffMaxMs'
>

export class RestartBudget {
  readonly policy: RestartPolicy
  #restarts: number[] = []

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
    this.#restarts.push(performance.now())
    // Half of it is jitter, so that what crashed together does not come back together.
    return delayMs * (0.5 + Math.random() / 2)
  }

  /** Somebody started it by hand: a fresh budget. */
  reset(): void {
    this.#restarts = []
  }
}
