/**
 * Changes of what is registered: a service is added, replaced, reconfigured, reloaded or deleted. Changes of one name
 * follow one another.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ServiceDescription } from '../contract/description.ts'
import { isRefusedConfig, isUnloadable, ThreadplaneError } from '../contract/errors.ts'
import { type OptionsPatch, patchOptions, type RegistrationOptions } from '../contract/options.ts'
import { reconfigure, replaceVersion } from '../services/replacing.ts'
import type { SupervisedService } from '../services/supervised-service.ts'
import { eventError } from '../contract/events.ts'
import type { ServiceRegistration } from '../services/version.ts'
import { OneByOne } from './one-by-one.ts'
import { type Registry, shuttingDown } from './registry.ts'
import type { Registration } from './registration-store.ts'

export class ServiceChanges {
  readonly #registry: Registry
  readonly #changes = new OneByOne()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /**
   * Registers a service, or replaces one live. The start of a new service, or of one that was stopped, is waited for; if
   * it fails, the registration is kept, except for a module that can never be loaded. If the new version of a running service does not start, the old one goes on.
   * @param by the token that asked for it
   * @throws MODULE_REFUSED, VALIDATION_FAILED, START_FAILED, CONFLICT, JOURNAL_UNAVAILABLE
   */
  async put(
    name: string,
    module: string,
    options: RegistrationOptions,
    by?: string,
  ): Promise<{ service: SupervisedService; isNew: boolean }> {
    const registry = this.#registry
    const isNew = await this.oneByOne(name, async () => {
      const { registrations } = registry.options
      const registration = await registry.registration(module, options)
      const service = registry.find(name)
      if (service === undefined) {
        await this.#register(name, registration, by)
        return true
      }
      const stop = service.stopSignal
      const live = await this.replace(service, registration, async (live) => {
        // The shutdown has stopped the service, and no person has: what a person wants must stay as it is.
        if (registry.closing) throw shuttingDown()
        await registrations.update(name, (known) => ({ ...(live && wishOf(known)), module, options }))
      })
      // A stop that came meanwhile is the last word.
      if (!live && !stop.aborted) await registry.bringUp(service, by)
      return false
    })
    const service = registry.find(name)
    await service?.settled()
    if (service === undefined || service !== registry.find(name)) {
      throw new ThreadplaneError('CONFLICT', `${name} was deleted while it was registered`, { service: name })
    }
    return { service, isNew }
  }

  /** As `replaceVersion`, and tells what has changed. */
  async replace(...[service, registration, keep]: Parameters<typeof replaceVersion>): Promise<boolean> {
    const { events } = this.#registry.options
    const { name, contract } = service
    const { module } = registration
    const since = performance.now()
    try {
      const live = await replaceVersion(service, registration, keep)
      const tookMs = Math.round(performance.now() - since)
      const methods = changedMethods(contract.description, service.contract.description)
      events.emit({ type: 'service.reloaded', service: name, module, tookMs, methods })
      return live
    } catch (error) {
      events.emit({ type: 'service.reload_failed', service: name, module, error: eventError(error as Error) })
      throw error
    }
  }

  async #register(name: string, registration: ServiceRegistration, by: string | undefined): Promise<void> {
    const registry = this.#registry
    const { dependencies } = registry
    const { registrations } = registry.options
    const { module, overrides: options } = registration
    const before = registrations.get(name)
    const service = registry.create(name, registration)
    const release = dependencies.plan(name, service.options.dependsOn)
    try {
      await registry.withRoom(async () => {
        await registrations.update(name, () => ({ module, options }))
        registry.add(service)
        registry.options.events.emit({ type: 'service.registered', service: name, module, by: by ?? null })
      })
    } finally {
      release()
    }
    await registry.bringUp(service, by)
    try {
      const { crashReason } = service
      if (service.state === 'failed' && isUnloadable(crashReason)) {
        if (isRefusedConfig(crashReason)) throw crashReason
        const detail = `the module of ${name} cannot be loaded: ${crashReason.message}`
        throw service.error('MODULE_REFUSED', detail, { cause: crashReason })
      }
      // Its module may ask for more services than the registration does.
      dependencies.check(name, service.options.dependsOn)
    } catch (error) {
      await registry.forget(service, () => before, by)
      throw error
    }
  }

  /** @throws SERVICE_NOT_FOUND, VALIDATION_FAILED, START_FAILED, CONFLICT, JOURNAL_UNAVAILABLE */
  async patch(name: string, patch: OptionsPatch): Promise<void> {
    const { registrations } = this.#registry.options
    const service = await this.oneByOne(name, async () => {
      const known = this.#usable(name)
      const options = patchOptions(known.overrides, patch)
      await reconfigure(known, options, () => registrations.update(name, (before) => ({ ...before, options })))
      const { events } = this.#registry.options
      events.emit({ type: 'service.options', service: name, changed: Object.keys(patch) })
      return known
    })
    await service.settled()
  }

  /** New code for a service: its module is loaded anew. @throws SERVICE_NOT_FOUND, MODULE_REFUSED, START_FAILED, CONFLICT */
  async reload(name: string): Promise<void> {
    const service = await this.loadAnew(name)
    await service.settled()
  }

  /**
   * As {@link reload}, and does not wait until the old threads have finished what they had begun.
   * @param file the module, if it has another name now
   */
  async loadAnew(name: string, file?: string): Promise<SupervisedService> {
    return this.oneByOne(name, async () => {
      const known = this.#usable(name)
      const { overrides } = known
      const module = file ?? known.module
      const declared = this.#registry.declaredOptions(name)
      const { modules } = this.#registry.options
      const moduleUrl = modules.resolve(module)
      const hash = await modules.hashOf(moduleUrl)
      // A description that is kept may be an old one: a file that the module imports may have changed, where its own has not.
      await this.replace(
        known,
        { module, moduleUrl, declared, overrides, hash, description: undefined },
        async () => {},
      )
      return known
    })
  }

  /** @throws SERVICE_NOT_FOUND, CONFLICT if its stored registration is damaged: then only a PUT says what it should be */
  #usable(name: string): SupervisedService {
    const service = this.#registry.get(name)
    const damage = this.#registry.options.registrations.damageOf(name)
    if (damage !== undefined) throw service.error('CONFLICT', damage.message)
    return service
  }

  /** Stops a service and forgets it. With unfinished jobs only if they may be cancelled. @throws CONFLICT, JOURNAL_UNAVAILABLE */
  async remove(name: string, { cancelJobs, by }: { cancelJobs: boolean; by?: string | undefined }): Promise<void> {
    const { dependencies, options } = this.#registry
    await this.oneByOne(name, async () => {
      const service = this.#registry.get(name)
      const unfinished = cancelJobs ? 0 : await options.dispatcher.ofService.countUnfinished(name)
      // Nothing is awaited between this and the moment when no other service can depend on this one any more.
      const dependents = dependencies.presentAndPlannedDependentsOf(name)
      if (dependents.length > 0) {
        throw service.error('CONFLICT', `${dependents.join(', ')} depends on ${name}: delete or change that first`)
      }
      if (unfinished > 0) {
        const detail = `${name} has ${unfinished} unfinished jobs: cancel them, or delete with ?cancelJobs=true`
        throw service.error('CONFLICT', detail)
      }
      // Without a file of that name in the modules folder there is nothing to remember.
      const left = options.modules.hasService(name) ? ({ deleted: true } as const) : undefined
      await this.#registry.forget(service, () => left, by)
    })
  }

  /** Runs a change of a service after those before it. @throws SHUTTING_DOWN */
  async oneByOne<T>(name: string, change: () => Promise<T>): Promise<T> {
    return this.#changes.run(name, () => {
      if (this.#registry.closing) throw shuttingDown()
      return change()
    })
  }
}

/** What a client may find changed: names of methods, and methods with another schema or other options. */
function changedMethods(before: ServiceDescription | undefined, after: ServiceDescription | undefined) {
  const [old, now] = [before?.methods ?? {}, after?.methods ?? {}]
  return {
    added: Object.keys(now).filter((name) => !Object.hasOwn(old, name)),
    removed: Object.keys(old).filter((name) => !Object.hasOwn(now, name)),
    changed: Object.keys(now).filter((name) => Object.hasOwn(old, name) && !isDeepStrictEqual(old[name], now[name])),
  }
}

/** A version for a stopped service is started as a new one would be: whether it was wanted before does not count. */
function wishOf({ desiredState, paused }: Registration = {}): Pick<Registration, 'desiredState' | 'paused'> {
  return { ...(desiredState !== undefined && { desiredState }), ...(paused && { paused }) }
}
