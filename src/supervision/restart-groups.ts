/** The supervisors of services: each has one of its own, or shares that of its `restart.group` while it is in it. */
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

  /** Strategy and budget of a group are those of its first member; it is to add its threads at once. */
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

  /** A group lasts until its last member has left. */
  leave(supervisor: Supervisor, members: Service[]): void {
    supervisor.discard(...members)
    if (supervisor.members.length > 0) return
    if (this.#supervisors.get(supervisor.name) === supervisor) this.#supervisors.delete(supervisor.name)
  }
}
