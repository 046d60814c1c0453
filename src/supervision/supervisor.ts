/**
 * Decides what happens after a crash. The strategies are Erlang's, by way of mode; backoff and a budget that heals
 * are added. Source: mode/supervisors.py
 */
import { resolveServiceOptions } from '../contract/options.ts'
import { RestartBudget, type RestartPolicy } from './restart-budget.ts'
import { Service, type ServiceOptionsBase, type Supervision } from './service.ts'

type Recovery = { kind: 'backoff'; timer: NodeJS.Timeout } | { kind: 'failed' }

export interface SupervisorOptions extends ServiceOptionsBase {
  /** Default, key by key: that of a service. */
  policy?: Partial<RestartPolicy>
}

/** Starts its members, restarts those that crash, and stops them. */
export abstract class Supervisor extends Service implements Supervision {
  readonly members: Service[] = []
  readonly budget: RestartBudget
  readonly #recoveries = new Map<Service, Recovery>()
  /** Stopped by a restart under way, which has yet to start them. */
  readonly #toStart = new Set<Service>()

  constructor({ policy, ...options }: SupervisorOptions) {
    super(options)
    this.budget = new RestartBudget(resolveServiceOptions({ restart: { ...policy } }).restart)
  }

  add(...members: Service[]): void {
    for (const member of members) {
      member.supervisor = this
      this.members.push(member)
    }
  }

  discard(...members: Service[]): void {
    for (const member of members) {
      this.forget(member)
      const index = this.members.indexOf(member)
      if (index >= 0) this.members.splice(index, 1)
      member.supervisor = undefined
    }
  }

  /** Leaves members to another supervisor. What is given up stays so; what is to be restarted is, by that one. */
  handOver(members: Service[], successor: Supervisor): void {
    const failed = members.filter((member) => this.recoveryOf(member) === 'failed')
    this.discard(...members)
    for (const member of failed) successor.#recoveries.set(member, { kind: 'failed' })
    successor.add(...members)
    successor.wakeup()
  }

  /** What the supervisor is doing about a crashed member. */
  recoveryOf(member: Service): Recovery['kind'] | undefined {
    return this.#recoveries.get(member)?.kind
  }

  /** Called by a member that is started or stopped: nothing is done about its crash any more. */
  forget(member: Service): void {
    this.#toStart.delete(member)
    const recovery = this.#recoveries.get(member)
    this.#recoveries.delete(member)
    // Members that are restarted together share a timer.
    const shared = [...this.#recoveries.values()].some((other) => other === recovery)
    if (recovery?.kind === 'backoff' && !shared) clearTimeout(recovery.timer)
  }

  /** Called by a member that crashed. */
  wakeup(): void {
    const crashed = this.members.filter((member) => member.crashed && !this.#recoveries.has(member))
    if (crashed.length > 0) this.recover(crashed)
  }

  protected abstract recover(crashed: Service[]): void

  protected override async launch(): Promise<void> {
    for (const member of this.members) await member.maybeStart()
  }

  protected override async shutDown(): Promise<void> {
    const members = [...this.members].reverse()
    for (const member of members) this.forget(member)
    for (const member of members) await this.#stopMember(member)
  }

  /**
   * Restarts members together, once, after the backoff; gives them up when the budget is spent. What jobs are to
   * blame for costs them an attempt, and the service nothing.
   */
  protected restartLater(members: Service[]): void {
    const { budget } = this
    const ofJobs = members.every((member) => !member.crashed || member.chargedTo === 'job')
    const delayMs = ofJobs ? budget.grant() : budget.take()
    if (delayMs === undefined) {
      const { maxRestarts, periodMs } = this.budget.policy
      this.giveUp(members, `more than ${maxRestarts} restarts within ${periodMs} ms`)
      return
    }
    const timer = setTimeout(() => {
      const crashed = members.filter((member) => this.#recoveries.get(member) === recovery)
      for (const member of crashed) this.#recoveries.delete(member)
      void this.#restart(crashed)
    }, delayMs)
    const recovery: Recovery = { kind: 'backoff', timer }
    for (const member of members) {
      this.log.warn({ service: member.name, delayMs: Math.round(delayMs), left: this.budget.remaining }, 'restarting')
      this.#recover(member, recovery)
    }
  }

  /** Members stay down until somebody starts them. */
  protected giveUp(members: Service[], why: string): void {
    for (const member of members) {
      this.log.error({ service: member.name, err: member.crashReason }, `given up: ${why}`)
      if (member.crashed) this.#recover(member, { kind: 'failed' })
      else void this.#stopForGood(member, new Error(`given up with others: ${why}`))
    }
  }

  async #stopForGood(member: Service, reason: Error): Promise<void> {
    await this.#stopMember(member)
    // Somebody may have started it meanwhile, or taken it away.
    if (member.state !== 'stopped' || member.supervisor !== this) return
    member.crashReason = reason
    this.#recover(member, { kind: 'failed' })
  }

  #recover(member: Service, recovery: Recovery): void {
    this.forget(member)
    this.#recoveries.set(member, recovery)
    member.announceRecovery()
  }

  /** Stops them all together, then starts them one by one. */
  async #restart(members: Service[]): Promise<void> {
    const stops = members.map((member) => {
      const stopped = this.#stopMember(member)
      this.#toStart.add(member)
      return stopped
    })
    await Promise.all(stops)
    for (const member of members) {
      if (!this.#toStart.delete(member)) continue
      try {
        await member.restart()
      } catch {
        // It crashed again, and by that has woken this supervisor again.
      }
    }
  }

  async #stopMember(member: Service): Promise<void> {
    try {
      await member.stop()
    } catch (error) {
      this.log.error({ service: member.name, err: error }, 'error while stopping')
    }
  }
}

/** Restarts what crashed. */
export class OneForOneSupervisor extends Supervisor {
  protected override recover(crashed: Service[]): void {
    for (const member of crashed) this.restartLater([member])
  }
}

/** Restarts all when one crashes, but for those that somebody stopped. */
export class OneForAllSupervisor extends Supervisor {
  protected override recover(): void {
    this.restartLater(this.members.filter((member) => member.state !== 'stopped'))
  }
}

/** Gives up what crashed. */
export class ForfeitOneForOneSupervisor extends Supervisor {
  protected override recover(crashed: Service[]): void {
    this.giveUp(crashed, 'the strategy is forfeitOneForOne')
  }
}

/** Gives up all when one crashes. */
export class ForfeitOneForAllSupervisor extends Supervisor {
  protected override recover(): void {
    this.giveUp(this.members, 'the strategy is forfeitOneForAll')
  }
}

/** Supervises by not being there: the crash of a member reaches its parents, and brings down the root. */
export class CrashingSupervisor extends Supervisor {
  override add(...members: Service[]): void {
    for (const member of members) {
      this.members.push(member)
      this.addDependency(member)
    }
  }

  protected override recover(): void {}
}

export const SUPERVISORS = {
  oneForOne: OneForOneSupervisor,
  oneForAll: OneForAllSupervisor,
  forfeitOneForOne: ForfeitOneForOneSupervisor,
  forfeitOneForAll: ForfeitOneForAllSupervisor,
  crashing: CrashingSupervisor,
} as const
