/**
 * The supervisors of services: a service has a supervisor of its own, or shares the supervisor of its `restart.group`.
 */
import type { ServiceLog } from '../contract/log.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import type { Service } from './service.ts'
import { type Supervisor, SUPERVISORS } from './supervisor.ts'

export class RestartGroups {
  readonly #log: ServiceLog
  readonly #supervisors = new Map<string, Supervisor>()

  constructor(log: ServiceLog) {
    this.#log = log
  }

  /**
   * Returns the supervisor for a service, to which the caller adds its threads at once. The first member of a group
   * decides on the strategy and the budget of the group.
   */
  join(service: string, { strategy, group, ...policy }: ResolvedServiceOptions['restart']): Supervisor {
    const known = group === undefined ? undefined : this.#supervisors.get(group)
    if (known !== undefined) {
      if (!(known instanceof SUPERVISORS[strategy])) {
        this.#log.warn({ service, group }, `its strategy is not ${strategy}: the group has another already`)
      }
      return known
    }
    const supervisor = new SUPERVISORS[strategy]({ name: group ?? service, policy, log: this.#log })
    if (group !== undefined) this.#supervisors.set(group, supervisor)
    return supervisor
  }

  /** Removes members from their supervisor; a group ends with its last member. */
  leave(supervisor: Supervisor, members: Service[]): void {
    supervisor.discard(...members)
    if (supervisor.members.length > 0) return
    if (this.#supervisors.get(supervisor.name) === supervisor) this.#supervisors.delete(supervisor.name)
  }
}
