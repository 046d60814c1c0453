/**
 * What a person wants of services: started, stopped, restarted, paused. It is done in the order that `dependsOn` makes, and
 * written: so it survives a restart of the server, and servers that share the registrations do the same.
 */
import type { SupervisedService } from '../services/supervised-service.ts'
import { dependentsFirst } from './dependencies.ts'
import type { Registry } from './registry.ts'

interface Stop {
  drain: boolean
  /** The token that asked for it, here and below. */
  by?: string | undefined
}

export class Wishes {
  readonly #registry: Registry

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** Starts a service, and first what it depends on. False if it was started already. @throws START_FAILED, CONFLICT */
  async start(name: string, by?: string): Promise<boolean> {
    const service = this.#registry.get(name)
    // Both at once, so that each error is caught.
    const [changed] = await Promise.all([service.start({ by }), this.keep(service)])
    return changed
  }

  /** Stops a service, and first what depends on it. @throws JOURNAL_UNAVAILABLE */
  async stop(name: string, how: Stop): Promise<{ changed: boolean; stoppedDependents: string[] }> {
    const services = this.#withDependents(name)
    const stopping = this.stopHere(name, how)
    const kept = services.map((service) => this.keep(service, { resumes: true }))
    const [stopped] = await Promise.all([stopping, ...kept])
    return { changed: stopped.includes(name), stoppedDependents: stopped.filter((one) => one !== name) }
  }

  /** As {@link stop}, and writes nothing. Answers which services were stopped. */
  stopHere(name: string, how: Stop): Promise<string[]> {
    const services = this.#withDependents(name)
    for (const service of services) service.desiredState = 'stopped'
    return this.#registry.dependencies.stop(services, async (service) => {
      // A person may have started it while it waited for its dependents to stop: the last wish wins.
      return service.desiredState === 'stopped' && (await service.stop(how))
    })
  }

  /** A service and all that depend on it, dependents first. */
  #withDependents(name: string): SupervisedService[] {
    const { dependencies } = this.#registry
    const names = dependentsFirst([this.#registry.get(name).name], dependencies.dependentsOf)
    return names.map((one) => this.#registry.get(one))
  }

  /**
   * Restarts a service. What depends on it is stopped before, and started after, unless a person has stopped it meanwhile.
   * @throws START_FAILED, CONFLICT, JOURNAL_UNAVAILABLE
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
    try {
      await restarted
    } finally {
      await this.keep(service, { resumes: true })
    }
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
   * Nothing is dispatched until `resume`. Servers that share the registrations all pause the service, also after they were
   * restarted. False if it was paused already. @throws CONFLICT, JOURNAL_UNAVAILABLE
   */
  async pause(name: string, by?: string): Promise<boolean> {
    const service = this.#registry.get(name)
    if (service.isPlacedHere) service.checkServes('a running service pauses')
    const isNew = await this.#keepPaused(name, true)
    // It may have stopped or crashed meanwhile.
    return (service.state === 'running' && service.pause(by)) || isNew
  }

  /** False if it was running already. @throws CONFLICT, JOURNAL_UNAVAILABLE */
  async resume(name: string, by?: string): Promise<boolean> {
    const service = this.#registry.get(name)
    if (service.isPlacedHere) service.checkServes('a paused service resumes')
    const isNew = await this.#keepPaused(name, false)
    return (service.state === 'paused' && service.resume(by)) || isNew
  }

  /** False if it was so already, or if the server is alone: then a pause lasts as long as the server, and needs no disk. */
  async #keepPaused(name: string, paused: boolean): Promise<boolean> {
    const { registrations } = this.#registry.options
    const { paused: before = false } = registrations.get(name) ?? {}
    if (!registrations.areShared || paused === before) return false
    await registrations.update(name, (known = {}) => {
      const { paused: _before, ...others } = known
      return { ...others, ...(paused && { paused }) }
    })
    return true
  }

  /**
   * Writes what a person wants of a service.
   * @param resumes it is not paused any more
   * @throws JOURNAL_UNAVAILABLE
   */
  async keep({ name, desiredState }: SupervisedService, { resumes = false } = {}): Promise<void> {
    const { registrations } = this.#registry.options
    // What cannot be used is not replaced by the part that can be read.
    if (registrations.damageOf(name) !== undefined) return
    await registrations.update(name, ({ paused, ...known } = {}) => ({
      ...known,
      desiredState,
      ...(paused && !resumes && { paused }),
    }))
  }
}
