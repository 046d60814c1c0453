/**
 * Name → supervised service, and the order that `dependsOn` makes among them. What is registered over HTTP, and what
 * was wanted to run, survives a restart.
 */
import { EventEmitter } from 'node:events'
import type { ServiceLog } from '../contract/log.ts'
import { hasCode, ThreadplaneError } from '../contract/errors.ts'
import type { Dispatcher } from '../jobs/dispatcher.ts'
import { Dependencies, dependentsFirst } from './dependencies.ts'
import {
  type OptionsPatch,
  patchOptions,
  type ResolvedServiceOptions,
  type ServiceOptions,
} from '../contract/options.ts'
import type { Registration, RegistrationFile } from './registration-file.ts'
import { RestartGroups } from '../supervision/restart-groups.ts'
import type { ServiceRegistration, ServiceState } from '../services/service-lifecycle.ts'
import type { CallRequest, Invocation, Invoker } from '../services/invoker.ts'
import { SupervisedService } from '../services/supervised-service.ts'
import type { ModulesFolder } from './modules-folder.ts'

export interface RegistryOptions {
  workers: ModulesFolder
  registrations: RegistrationFile
  dispatcher: Dispatcher
  log: ServiceLog
  /** A service was deleted. */
  onRemoved: (name: string) => Promise<void>
}

export class Registry extends EventEmitter<{ state: [name: string, state: ServiceState] }> implements Invoker {
  readonly #options: RegistryOptions
  readonly #services = new Map<string, SupervisedService>()
  readonly #dependencies = new Dependencies(this.#services)
  readonly #groups: RestartGroups
  readonly #registering = new Map<string, Promise<unknown>>()
  /** No new work is taken any more. */
  closing = false
  /** Every autostarted service has started or failed to. */
  startedUp = false

  constructor(options: RegistryOptions) {
    super()
    this.#options = options
    this.#groups = new RestartGroups(options.log)
  }

  get services(): SupervisedService[] {
    return [...this.#services.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** @throws SERVICE_NOT_FOUND, with the names that exist */
  get(name: string): SupervisedService {
    const service = this.#services.get(name)
    if (service !== undefined) return service
    const names = this.services.map((other) => other.name).join(', ')
    throw new ThreadplaneError('SERVICE_NOT_FOUND', `there is no service ${JSON.stringify(name)}; there are: ${names}`)
  }

  call(service: string, method: string, request: CallRequest): Invocation {
    return this.get(service).call(method, request)
  }

  /** Registers what the workers folder and the data folder hold. Nothing is started yet. */
  async load(): Promise<void> {
    const { workers, registrations, log } = this.#options
    const modules = await workers.services(log)
    for (const [name, { module, deleted }] of registrations.entries()) {
      if (deleted && modules.delete(name))
        log.info({ service: name }, 'no service: it was deleted over HTTP; PUT it again')
      else if (module !== undefined) modules.set(name, module)
    }
    await Promise.all([...modules].map(([name, module]) => this.#restore(name, module)))
  }

  async #restore(name: string, module: string): Promise<void> {
    const { options = {} } = this.#options.registrations.get(name) ?? {}
    try {
      this.#add(this.#create(name, await this.#registration(module, options)))
    } catch (error) {
      this.#options.log.error({ err: error, service: name, module }, 'a registered service cannot be restored')
    }
  }

  /** Starts what is wanted to run; the errors of services are their own. */
  async startAll(): Promise<void> {
    await Promise.all(this.services.map((service) => this.#bringUp(service)))
    this.startedUp = true
  }

  async #bringUp(service: SupervisedService): Promise<void> {
    const wanted = this.#options.registrations.get(service.name)?.desiredState
    try {
      if (wanted !== 'stopped') await service.start({ onlyIfAutostart: wanted === undefined })
      else if (service.contract.description === undefined) await service.contract.describe(service.options)
    } catch (error) {
      // Logged where it happened: a crash of its thread, or what it depends on. A start that the end of the server
      // interrupts is no error.
      if (!hasCode(error, 'START_FAILED') && !this.closing) {
        this.#options.log.error({ err: error, service: service.name }, 'a service did not start')
      }
    }
  }

  async #registration(module: string, overrides: ServiceOptions): Promise<ServiceRegistration> {
    const { workers, registrations } = this.#options
    const moduleUrl = workers.resolve(module)
    return { module, moduleUrl, overrides, description: await registrations.description(moduleUrl) }
  }

  #create(name: string, registration: ServiceRegistration): SupervisedService {
    const { registrations, log } = this.#options
    return new SupervisedService({
      ...registration,
      name,
      desiredState: registrations.get(name)?.desiredState ?? 'running',
      log,
      groups: this.#groups,
      checkDependencies: (dependsOn) => this.#dependencies.check(name, dependsOn),
      startDependencies: (options) => this.#startDependencies(name, options),
      onDescribed: (moduleUrl, description) => {
        registrations.keepDescription(moduleUrl, description).catch((error: unknown) => {
          log.warn({ err: error, service: name }, 'the description of a module could not be kept')
        })
      },
    })
  }

  /** Those that were stopped are wanted from now on, as if a client had started them. */
  async #startDependencies(name: string, options: ResolvedServiceOptions): Promise<void> {
    const stopped = options.dependsOn.flatMap((other) => {
      const service = this.#services.get(other)
      return service?.desiredState === 'stopped' ? [service] : []
    })
    try {
      await this.#dependencies.start(name, options)
    } finally {
      await Promise.all(stopped.map((service) => this.#rememberDesiredState(service))).catch((error: unknown) => {
        this.#options.log.warn({ err: error, service: name }, 'that what it depends on was started could not be kept')
      })
    }
  }

  #add(service: SupervisedService): void {
    if (this.closing) throw shuttingDown()
    this.#services.set(service.name, service)
    this.#options.dispatcher.serve(service)
    service.on('state', (state) => this.emit('state', service.name, state))
  }

  /**
   * Registers a service, or replaces one live. The start of a new one, or of one that was stopped, is waited for; if
   * it fails, the registration is kept. Where what is to replace a running one does not start, that one goes on.
   * @throws MODULE_REFUSED, VALIDATION_FAILED, START_FAILED, CONFLICT, JOURNAL_UNAVAILABLE
   */
  async put(
    name: string,
    module: string,
    options: ServiceOptions,
  ): Promise<{ service: SupervisedService; isNew: boolean }> {
    const isNew = await this.#oneByOne(name, async () => {
      const { registrations } = this.#options
      const registration = await this.#registration(module, options)
      const service = this.#services.get(name)
      if (service === undefined) {
        await this.#register(name, registration)
        return true
      }
      const live = await service.replace(registration, (live) =>
        registrations.set(name, (known) => ({ ...(live && wishOf(known)), module, options })),
      )
      if (!live) await this.#bringUp(service)
      return false
    })
    const service = this.#services.get(name)
    await service?.settled()
    if (service === undefined || service !== this.#services.get(name)) {
      throw new ThreadplaneError('CONFLICT', `${name} was deleted while it was registered`, { service: name })
    }
    return { service, isNew }
  }

  async #register(name: string, registration: ServiceRegistration): Promise<void> {
    const { registrations } = this.#options
    const { module, overrides: options } = registration
    const before = registrations.get(name)
    const service = this.#create(name, registration)
    this.#dependencies.check(name, service.options.dependsOn)
    await registrations.set(name, () => ({ module, options }))
    this.#add(service)
    await this.#bringUp(service)
    try {
      // Its module may have said more of that.
      this.#dependencies.check(name, service.options.dependsOn)
    } catch (error) {
      await this.#forget(service, () => before)
      throw error
    }
  }

  /** @throws SERVICE_NOT_FOUND, VALIDATION_FAILED, START_FAILED, CONFLICT, JOURNAL_UNAVAILABLE */
  async patch(name: string, patch: OptionsPatch): Promise<void> {
    const service = await this.#oneByOne(name, async () => {
      const { registrations } = this.#options
      const known = this.get(name)
      const options = patchOptions(known.overrides, patch)
      await known.reconfigure(options, () => registrations.set(name, (before) => ({ ...before, options })))
      return known
    })
    await service.settled()
  }

  /** New code for a service: what its module says now. @throws SERVICE_NOT_FOUND, MODULE_REFUSED, START_FAILED, CONFLICT */
  async reload(name: string): Promise<void> {
    const service = await this.#oneByOne(name, async () => {
      const known = this.get(name)
      const { module, overrides } = known
      const moduleUrl = this.#options.workers.resolve(module)
      // What it imports may have changed, where the module itself has not.
      await known.replace({ module, moduleUrl, overrides, description: undefined }, async () => {})
      return known
    })
    await service.settled()
  }

  /** Stops a service and forgets it. With unfinished jobs only if they may be cancelled. @throws CONFLICT, JOURNAL_UNAVAILABLE */
  async remove(name: string, { cancelJobs }: { cancelJobs: boolean }): Promise<void> {
    await this.#oneByOne(name, async () => {
      const service = this.get(name)
      const dependents = this.#dependencies.dependentsOf(name)
      if (dependents.length > 0) {
        throw service.error('CONFLICT', `${dependents.join(', ')} depends on ${name}: delete or change that first`)
      }
      const unfinished = cancelJobs ? 0 : await this.#options.dispatcher.countUnfinished(name)
      if (unfinished > 0) {
        const detail = `${name} has ${unfinished} unfinished jobs: cancel them, or delete with ?cancelJobs=true`
        throw service.error('CONFLICT', detail)
      }
      await this.#forget(service, () => ({ deleted: true }))
    })
  }

  /** @param left what remains of its registration @throws JOURNAL_UNAVAILABLE */
  async #forget(service: SupervisedService, left: () => Registration | undefined): Promise<void> {
    const { dispatcher, registrations } = this.#options
    const { name } = service
    this.#services.delete(name)
    try {
      await dispatcher.cancelAll(name)
      await registrations.set(name, left)
    } catch (error) {
      // Neither jobs nor the registration can be written: the service stays as it is.
      this.#services.set(name, service)
      throw error
    }
    service.refuseStarts(() => new ThreadplaneError('SERVICE_NOT_FOUND', `${name} was deleted`, { service: name }))
    await service.stop()
    service.dispose()
    dispatcher.forget(service)
    // What was being accepted while the service went.
    await dispatcher.cancelAll(name)
    await this.#options.onRemoved(name)
  }

  /** Starts a service, and first what it depends on. True if it was not started. @throws START_FAILED, CONFLICT */
  async start(name: string): Promise<boolean> {
    const service = this.get(name)
    // Together: an error of one must not find the other still awaited.
    const [changed] = await Promise.all([service.start(), this.#rememberDesiredState(service)])
    return changed
  }

  /** Stops a service, and first what depends on it. @throws JOURNAL_UNAVAILABLE */
  async stop(name: string, { drain }: { drain: boolean }): Promise<{ changed: boolean; stoppedDependents: string[] }> {
    const services = dependentsFirst([this.get(name).name], this.#dependencies.dependentsOf)
    const stopping = this.#dependencies.stop(services, drain)
    const remembered = services.map((one) => this.#rememberDesiredState(this.get(one)))
    const [stopped] = await Promise.all([stopping, ...remembered])
    return { changed: stopped.includes(name), stoppedDependents: stopped.filter((one) => one !== name) }
  }

  /**
   * What depends on it is restarted as well: stopped before, and started after it.
   * @throws START_FAILED, CONFLICT, JOURNAL_UNAVAILABLE
   */
  async restart(name: string): Promise<{ stoppedDependents: string[] }> {
    const service = this.get(name)
    const { dependentsOf } = this.#dependencies
    const stoppedDependents = await this.#dependencies.stop(dependentsFirst(dependentsOf(name), dependentsOf), true)
    const restarted = service.restart()
    // Where it fails, its supervisor may still bring it up, which they wait for.
    const followed = restarted
      .catch(() => {})
      .then(() => Promise.all(stoppedDependents.map((one) => this.get(one).start())))
    followed.catch(() => {})
    try {
      await restarted
    } finally {
      await this.#rememberDesiredState(service)
    }
    await followed
    return { stoppedDependents }
  }

  /** What a client asked for is what a restart of the process brings back. @throws JOURNAL_UNAVAILABLE */
  async #rememberDesiredState({ name, desiredState }: SupervisedService): Promise<void> {
    await this.#options.registrations.set(name, (known) => ({ ...known, desiredState }))
  }

  /** Registrations of one name follow each other. */
  async #oneByOne<T>(name: string, change: () => Promise<T>): Promise<T> {
    const before = this.#registering.get(name) ?? Promise.resolve()
    const next = () => {
      if (this.closing) throw shuttingDown()
      return change()
    }
    const changed = before.then(next, next)
    this.#registering.set(name, changed)
    try {
      return await changed
    } finally {
      if (this.#registering.get(name) === changed) this.#registering.delete(name)
    }
  }

  /** Runs what runs to its end, and stops every thread; services keep their desired state. */
  async close(): Promise<void> {
    this.closing = true
    const names = this.services.map(({ name }) => name)
    for (const service of this.services) service.refuseStarts(shuttingDown)
    await this.#dependencies.stop(dependentsFirst(names, this.#dependencies.dependentsOf), true)
    this.#options.dispatcher.close()
  }
}

function wishOf({ desiredState }: Registration = {}): Pick<Registration, 'desiredState'> {
  return desiredState === undefined ? {} : { desiredState }
}

function shuttingDown(): ThreadplaneError {
  return new ThreadplaneError('SHUTTING_DOWN', 'the server is shutting down', { retryAfterSeconds: 5 })
}
