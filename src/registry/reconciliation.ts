/**
 * Brings the services of this server in line with what is registered. Servers that share their registrations each do this:
 * what a client asks one of them for is written first, and then done by all that are to run the service. A service that
 * cannot be brought in line here stays as it was, or shows why it failed; nothing else depends on that.
 */
import { isDeepStrictEqual } from 'node:util'
import { Deferred } from '../async/deferred.ts'
import { reconfigure } from '../services/replacing.ts'
import type { SupervisedService } from '../services/supervised-service.ts'
import { NAME_PATTERN } from '../contract/options.ts'
import type { Registry } from './registry.ts'
import { restoreService } from './restore-services.ts'
import type { ServiceChanges } from './service-changes.ts'

export class Reconciliation {
  readonly #registry: Registry
  readonly #changes: ServiceChanges
  /** Services that are to be looked at: a change that comes meanwhile is seen as well. */
  readonly #queued = new Set<string>()
  /** Services that are to be added: others may depend on them. */
  readonly #arriving = new Map<string, Deferred<void>>()

  constructor(registry: Registry, changes: ServiceChanges) {
    this.#registry = registry
    this.#changes = changes
    registry.options.registrations.onChanged((name) => this.changed(name))
  }

  /** The registration of a service has changed, here or on another server. */
  changed(name: string): void {
    if (this.#queued.has(name)) return
    this.#queued.add(name)
    if (this.#registry.find(name) === undefined) this.#arriving.set(name, new Deferred())
    void this.#reconcile(name).finally(() => this.#arrived(name))
  }

  #arrived(name: string): void {
    this.#arriving.get(name)?.resolve()
    this.#arriving.delete(name)
  }

  /** Looks at every service: what was asked for here may not have been written, and what others wrote not been seen. */
  all(): void {
    const { registrations } = this.#registry.options
    const names = [...registrations.entries()].map(([name]) => name)
    for (const name of new Set([...names, ...this.#registry.services.map((service) => service.name)]))
      this.changed(name)
  }

  /**
   * Brings a service in line with what is stored now, and waits until it has started or stopped. Never rejects for an error
   * of the service itself. @throws JOURNAL_UNAVAILABLE
   */
  async follow(name: string): Promise<void> {
    await this.#registry.options.registrations.refresh()
    await this.#reconcile(name)
    const service = this.#registry.find(name)
    if (service === undefined) return
    const { phase, live } = service.phases
    if (phase.kind === 'stopping') await service.whenStopped()
    if (live?.kind === 'starting') await live.operation.catch(() => {})
  }

  /** Other servers have come or gone: services that are not placed on all of them may have to start or to stop here. */
  placementChanged(): void {
    for (const { name, options } of this.#registry.services) if (options.placement !== undefined) this.changed(name)
  }

  async #reconcile(name: string): Promise<void> {
    const { registrations, log } = this.#registry.options
    await this.#registry.starting.promise
    // What is being written here is newer than what is stored.
    await registrations.settled(name)
    this.#queued.delete(name)
    if (this.#registry.closing || !NAME_PATTERN.test(name)) return
    try {
      // A stop must not wait for a start or a replacement that is under way: it ends that.
      await this.#stopIfUnwanted(name)
      await this.#changes.oneByOne(name, () => this.#bringInLine(name))
    } catch (error) {
      if (this.#registry.closing) return
      log.error({ err: error, service: name }, 'a service could not be brought in line with its registration')
    }
  }

  async #stopIfUnwanted(name: string): Promise<void> {
    const service = this.#registry.find(name)
    if (service === undefined) return
    if (this.#moduleOf(name) === undefined) await service.halt()
    const { desiredState } = this.#registry.options.registrations.get(name) ?? {}
    if (desiredState === 'stopped' && service.desiredState !== 'stopped')
      await this.#registry.wishes.stop(name, { drain: true })
  }

  /** The module that is registered, or the file of that name; `undefined`: there is to be no such service. */
  #moduleOf(name: string): string | undefined {
    const { registrations, modules } = this.#registry.options
    const { module, deleted } = registrations.get(name) ?? {}
    if (deleted) return undefined
    return module ?? modules.fileOf(name) ?? (registrations.damageOf(name) && '')
  }

  async #bringInLine(name: string): Promise<void> {
    const registry = this.#registry
    const module = this.#moduleOf(name)
    let service = registry.find(name)
    if (module === undefined) {
      if (service !== undefined) await registry.drop(service)
      return
    }
    if (service === undefined) {
      service = await restoreService(registry, name, module)
      registry.options.events.emit({ type: 'service.registered', service: name, module, by: null })
      this.#arrived(name)
      await Promise.all([...this.#arriving.values()].map(({ promise }) => promise))
      await registry.bringUp(service)
    } else if (registry.options.registrations.damageOf(name) === undefined) await this.#replace(service, module)
    await this.#followWish(service)
  }

  async #replace(service: SupervisedService, module: string): Promise<void> {
    const { registrations, modules } = this.#registry.options
    const { name, overrides, contract, threadSet } = service
    const { options = {} } = registrations.get(name) ?? {}
    const declared = this.#registry.declaredOptions(name)
    const isSame =
      module === service.module &&
      contract.refusal === undefined &&
      isDeepStrictEqual(declared, threadSet.version.declared)
    if (isSame && threadSet.version.hash === (await modules.hashOf(modules.urlOf(module)))) {
      if (!isDeepStrictEqual(options, overrides)) await reconfigure(service, options, async () => {})
      return
    }
    await this.#changes.replace(service, await this.#registry.registration(module, options, declared), async () => {})
  }

  /** Starts, stops, pauses or resumes the service, if it is not so already. */
  async #followWish(service: SupervisedService): Promise<void> {
    const { desiredState, paused = false } = this.#registry.options.registrations.get(service.name) ?? {}
    if (desiredState === 'stopped') return
    if (!service.isPlacedHere) {
      if (desiredState !== undefined) service.desiredState = desiredState
      if (service.phases.live !== undefined) await service.halt()
      return
    }
    const isLeftStopped = desiredState === undefined && !service.options.autostart
    if (service.phases.live === undefined && !isLeftStopped) await this.#registry.bringUp(service)
    if (paused && service.state === 'running') service.pause()
    if (!paused && service.state === 'paused') service.resume()
  }
}
