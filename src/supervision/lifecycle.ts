/** The states of a Service, and what a Service knows of its supervisor. */
import type { RestartBudget } from './restart-budget.ts'
import type { Service } from './service.ts'

export type Lifecycle =
  | { kind: 'stopped' }
  | { kind: 'starting'; done: Promise<void> }
  | { kind: 'running' }
  | { kind: 'stopping'; done: Promise<void> }
  | { kind: 'crashed'; chargedTo: ChargedTo }

/**
 * What a crash counts against: the restart budget of the service, or the single job that was running when it happened.
 */
export type ChargedTo = 'service' | 'job'

export type LifecycleState = Lifecycle['kind']

/** The supervisor of a service, as the service knows it. Implemented by `Supervisor`. */
export interface Supervision {
  readonly budget: RestartBudget
  /** What the supervisor does about the crash of a member: it waits to restart the member, or has given it up. */
  recoveryOf(member: Service): 'backoff' | 'failed' | undefined
  /** Called by a member that is started or stopped: the supervisor does nothing more about its crash. */
  forget(member: Service): void
  /** Called by a member that crashed. */
  wakeup(): void
}
