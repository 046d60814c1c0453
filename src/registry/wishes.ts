/**
 * What a person wants of services: started, stopped, restarted, paused. It is done in the order that `dependsOn` makes. And
 * it is written: so it survives a restart of the server, and servers that share the registrations do the same. The server
 * that was asked writes it, and the others only do it.
 */
import type { DesiredState } from '../contract/states.ts'
import type { SupervisedService } from '../services/supervised-service.ts'
import { dependentsFirst } from './dependencies.ts'
import type { Registry } from './registry.ts'

interface Stop {
  drain: boolean
  /** The token that asked for it. */
  by?: string | undefined
}

export class Wishes {
  readonly #registry: Registry

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** Stops a service, and first what depends on it. */
  async stop(name: string, how: Stop): Promise<{ changed: boolean; stoppedDependents: string[] }> {
    const services = this.#withDependents(name)
    for (const service of services) service.desiredState = 'stopped'
    const stopped = await this.#registry.dependencies.stop(services, async (service) => {
      // A person may have started it while it waited for its dependents to stop: the last wish wins.
      return service.desiredState === 'stopped' && (await service.stop(how))
    })
    return { changed: stopped.includes(name), stoppedDependents: stopped.filter((one) => one !== name) }
  }

  /** A service and all that depend on it, dependents first. */
  #withDependents(name: string): SupervisedService[] {
    const { dependencies } = this.#registry
    const names = dependentsFirst([this.#registry.get(name).name], dependencies.dependentsOf)
    return names.map((one) => this.#registry.get(one))
  }

  /**
   * Restarts a service. What depends on it is stopped before, and started after, unless a person has stopped it meanwhile.
   * @throws START_FAILED, CONFLICT
   */
  async restart(name: string, by?: string): Promise<{ stoppedDependents: string[] }> {
    const { dependencies } = this.#registry
    const service = this.#registry.get(name)
    const dependents = this.#withDependents(name).filter((one) => one !== service)
    const stoppedDependents = await dependencies.stop(dependents, (dependent) => dependent.halt({ by }))
    const restarted = service.restart(by)
    // Where the restart fails, its supervisor may still bring the service up, which its dependents wait for.
    const followed = restarted.catch(() => {}).then(() => this.#startAgain(stoppedDependents, by))
    followed.catch(() => {})
    await restarted
    await followed
    return { stoppedDependents }
  }

  async #startAgain(names: string[], by: string | undefined): Promise<void> {
    const services = names.flatMap((name) => this.#registry.find(name) ?? [])
    await Promise.all(
      services.filter(({ desiredState }) => desiredState === 'running').map((service) => service.start({ by })),
    )
  }

  /**
   * Writes that a service is paused, or is not any more: servers that share the registrations all pause it, also after they
   * were restarted. On a server that is alone a pause lasts as long as the server, and needs no disk.
   * @returns true if it was not so until then
   * @throws JOURNAL_UNAVAILABLE
   */
  async keepPaused(name: string, paused: boolean): Promise<boolean> {
    const { registrations } = this.#registry.options
    if (!registrations.areShared) return false
    let isNew = false
    await registrations.update(name, ({ paused: before = false, ...known } = {}) => {
      isNew = before !== paused
      return { ...known, ...(paused && { paused }) }
    })
    return isNew
  }

  /** As {@link keep}, for a service that is stopped with all that depend on it. */
  async keepStopped(name: string): Promise<boolean> {
    const services = this.#withDependents(name)
    const kept = await Promise.all(services.map((service) => this.keep(service, 'stopped', { resumes: true })))
    return kept.at(-1) ?? false
  }

  /**
   * Writes what a person wants of a service.
   * @param resumes it is not paused any more
   * @returns true if something else was wanted until then: of requests at the same time, only one says so
   * @throws JOURNAL_UNAVAILABLE
   */
  async keep(service: SupervisedService, desiredState: DesiredState, { resumes = false } = {}): Promise<boolean> {
    const { name, desiredState: before } = service
    const { registrations } = this.#registry.options
    // What cannot be used is not replaced by the part that can be read.
    if (registrations.damageOf(name) !== undefined) return false
    let isNew = false
    await registrations.update(name, ({ paused, ...known } = {}) => {
      isNew = (known.desiredState ?? before) !== desiredState
      return { ...known, desiredState, ...(paused && !resumes && { paused }) }
    })
    return isNew
  }
}
