/**
 * Supervisors decide what happens after a crash. The strategies are those of mode, which has them from Erlang; a delay
 * before each restart and a budget that recovers are added. Source: mode/supervisors.py
 */
import { isUnloadable } from '../contract/errors.ts'
import { resolveServiceOptions } from '../contract/options.ts'
import type { Supervision } from './lifecycle.ts'
import { RestartBudget, type RestartPolicy } from './restart-budget.ts'
import { Service, type ServiceOptionsBase } from './service.ts'

/** What is done about the crash of a member: it is restarted after a delay, or it has been given up. */
type Recovery = { kind: 'backoff'; timer: NodeJS.Timeout; until: Date } | { kind: 'failed' }

export interface SupervisorOptions extends ServiceOptionsBase {
  /** Each key that is left out has the default of a service's option `restart`. */
  policy?: Partial<RestartPolicy>
}

/** Starts its members, restarts them when they crash, and stops them. */
export abstract class Supervisor extends Service implements Supervision {
  readonly members: Service[] = []
  readonly budget: RestartBudget
  readonly #recoveries = new Map<Service, Recovery>()
  /** Members that a restart under way has stopped and will start again. */
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

  /** Leaves members to another supervisor: given up, they stay so; crashed, that supervisor restarts them. */
  handOver(members: Service[], successor: Supervisor): void {
    const failed = members.filter((member) => this.recoveryOf(member) === 'failed')
    const toStart = members.filter((member) => this.#toStart.has(member))
    this.discard(...members)
    for (const member of failed) successor.#recoveries.set(member, { kind: 'failed' })
    successor.add(...members)
    if (toStart.length > 0) void successor.#restart(toStart)
    successor.wakeup()
  }

  recoveryOf(member: Service): Recovery['kind'] | undefined {
    return this.#recoveries.get(member)?.kind
  }

  /** When a member that waits for its restart is started. */
  nextStartOf(member: Service): Date | undefined {
    const recovery = this.#recoveries.get(member)
    return recovery?.kind === 'backoff' ? recovery.until : undefined
  }

  forget(member: Service): void {
    this.#toStart.delete(member)
    const recovery = this.#recoveries.get(member)
    this.#recoveries.delete(member)
    // Members that are restarted together share a timer.
    const shared = [...this.#recoveries.values()].some((other) => other === recovery)
    if (recovery?.kind === 'backoff' && !shared) clearTimeout(recovery.timer)
  }

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
   * Restarts members together, once, after the backoff; gives them up when the budget is spent. Crashes that are
   * charged to jobs cost the budget nothing: each costs its job an attempt.
   *
   * A module that cannot be loaded when a person starts it would fail again: it is given up at once, and its crash has
   * said why. A module that could not be loaded in a restart did load before. Somebody may be writing its file just now,
   * so that it is tried again.
   */
  protected restartLater(members: Service[]): void {
    const { budget } = this
    const refused = members.filter((member) => member.crashed && isUnloadable(member.crashReason))
    if (refused.length > 0 && budget.isUntouched) {
      for (const member of refused) this.#recover(member, { kind: 'failed' })
      const others = members.filter((member) => member.crashed && !refused.includes(member))
      if (others.length > 0) this.restartLater(others)
      return
    }
    const chargedToJobs = members.every((member) => !member.crashed || member.chargedTo === 'job')
    const delayMs = chargedToJobs ? budget.grant() : budget.take()
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
    const recovery: Recovery = { kind: 'backoff', timer, until: new Date(Date.now() + delayMs) }
    for (const member of members) {
      this.logger.warn(
        { service: member.name, delayMs: Math.round(delayMs), left: this.budget.remaining },
        'restarting',
      )
      this.#recover(member, recovery)
    }
  }

  /** Leaves members down, or stops them, until a person starts them. */
  protected giveUp(members: Service[], why: string): void {
    for (const member of members) {
      this.logger.error({ service: member.name, err: member.crashReason }, `given up: ${why}`)
      if (member.crashed) this.#recover(member, { kind: 'failed' })
      else void this.#stopForGood(member, new Error(`given up with others: ${why}`))
    }
  }

  async #stopForGood(member: Service, reason: Error): Promise<void> {
    await this.#stopMember(member)
    // Meanwhile it may have been started, discarded, or handed over to another supervisor.
    const { supervisor } = member
    if (member.state !== 'stopped' || !(supervisor instanceof Supervisor)) return
    member.crashReason = reason
    supervisor.#recover(member, { kind: 'failed' })
  }

  #recover(member: Service, recovery: Recovery): void {
    this.forget(member)
    this.#recoveries.set(member, recovery)
    member.announceRecovery()
  }

  /** Stops the members all together, then starts them one by one. */
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
        // That was a crash, which has woken this supervisor again.
      }
    }
  }

  async #stopMember(member: Service): Promise<void> {
    try {
      await member.stop()
    } catch (error) {
      this.logger.error({ service: member.name, err: error }, 'error while stopping')
    }
  }
}

/** Restarts each member that crashed, and no other. */
export class OneForOneSupervisor extends Supervisor {
  protected override recover(crashed: Service[]): void {
    for (const member of crashed) this.restartLater([member])
  }
}

/** Restarts all members when one crashes, except those that are stopped. */
export class OneForAllSupervisor extends Supervisor {
  protected override recover(): void {
    this.restartLater(this.members.filter((member) => member.state !== 'stopped'))
  }
}

/** Gives up each member that crashed, and no other. */
export class ForfeitOneForOneSupervisor extends Supervisor {
  protected override recover(crashed: Service[]): void {
    this.giveUp(crashed, 'the strategy is forfeitOneForOne')
  }
}

/** Gives up all members when one crashes. */
export class ForfeitOneForAllSupervisor extends Supervisor {
  protected override recover(): void {
    this.giveUp(this.members, 'the strategy is forfeitOneForAll')
  }
}

/** Does not supervise: the crash of a member reaches its parents, up to the root, as without a supervisor. */
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
