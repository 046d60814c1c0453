/**
 * The services by their names: added, found, forgotten; started with the server and stopped with it, in the order that
 * `dependsOn` makes.
 */
import type { ServiceState } from '../contract/states.ts'
import { EventEmitter } from 'node:events'
import { resolvesWithin } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import { hasCode, RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import type { EventSink } from '../contract/events.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { Traces } from '../contract/traces.ts'
import type { ResolvedServiceOptions, RegistrationOptions } from '../contract/options.ts'
import type { Dispatcher } from '../jobs/dispatcher.ts'
import type { CallRequest, Invocation, Invoker } from '../services/call-invoker.ts'
import { SupervisedService } from '../services/supervised-service.ts'
import type { ServiceRegistration } from '../services/version.ts'
import { RestartGroups } from '../supervision/restart-groups.ts'
import type { Meters } from '../telemetry/meters.ts'
import { Dependencies, dependentsFirst } from './dependencies.ts'
import type { DescriptionCache } from './description-cache.ts'
import type { ModulesFolder } from './modules-folder.ts'
import type { Registrations } from './registrations.ts'
import { Wishes } from './wishes.ts'

export interface RegistryOptions {
  modules: ModulesFolder
  registrations: Registrations
  descriptions: DescriptionCache
  dispatcher: Dispatcher
  log: ServiceLog
  events: EventSink
  meters: Meters
  /** `undefined`: nobody records them. */
  traces: Traces | undefined
  /** A client can register a service while there are fewer. */
  maxServices: number
  /** Is a service, with its options, to run on this server? */
  runsHere: (service: string, options: ResolvedServiceOptions) => boolean
  /** Called after a service was deleted, on each of the servers that had it. */
  onRemoved: (name: string) => void
  /** Called after a client of this server has deleted a service. */
  onDeleted: (name: string) => Promise<void>
}

/** The longest wait for files that are being written while the server ends. */
const WRITTEN_WITHIN_MS = 1_000

export class Registry extends EventEmitter<{ state: [name: string, state: ServiceState] }> implements Invoker {
  readonly options: RegistryOptions
  readonly dependencies: Dependencies
  readonly wishes: Wishes
  readonly #services = new Map<string, SupervisedService>()
  /** Services that are being deleted: clients do not find them any more. */
  readonly #leaving = new Set<SupervisedService>()
  /** Services whose registration is being written for the first time. */
  #arriving = 0
  readonly #groups: RestartGroups
  /** The server will close soon, and accepts work until then. */
  leaving = false
  /** No new work is accepted any more. */
  closing = false
  /** Resolves when the services begin to start. */
  readonly starting = new Deferred<void>()
  /** Every autostarted service has started or failed to. */
  startedUp = false

  constructor(options: RegistryOptions) {
    super()
    this.options = options
    this.dependencies = new Dependencies(this.#services)
    this.wishes = new Wishes(this)
    this.#groups = new RestartGroups(options.log)
  }

  get services(): SupervisedService[] {
    return [...this.#services.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  find(name: string): SupervisedService | undefined {
    return this.#services.get(name)
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

  // At the start of the server

  /** Starts the services that are wanted. An error of a service is its own. */
  async startAll(): Promise<void> {
    this.starting.resolve()
    await Promise.all(this.services.map((service) => this.bringUp(service)))
    this.startedUp = true
  }

  /**
   * Starts a service if a person wants that, or else if its options say so. Never rejects.
   * @param by here and below: the token that asked for it
   */
  async bringUp(service: SupervisedService, by?: string): Promise<void> {
    const { desiredState: wanted, paused = false } = this.options.registrations.get(service.name) ?? {}
    // It is paused from its first moment on.
    if (paused) service.methodQueue.paused = true
    try {
      if (wanted !== 'stopped') await service.start({ onlyIfAutostart: wanted === undefined, by })
      else if (!service.described) await service.contract.describe(service.options)
      if (wanted === undefined && !service.isPlacedHere) await this.#askForAutostart(service)
    } catch (error) {
      // START_FAILED was logged where it happened. The end of the server interrupts starts.
      if (!hasCode(error, 'START_FAILED') && !this.closing) {
        this.options.log.error({ err: error, service: service.name }, 'a service did not start')
      }
    }
  }

  /** Other servers are to run a service, unless its options leave it stopped: then this one shows it as stopped too. */
  async #askForAutostart(service: SupervisedService): Promise<void> {
    // Where the module cannot be loaded, the servers that run it say why.
    if (!service.described) await service.contract.describe(service.options).catch(() => {})
    const { desiredState } = this.options.registrations.get(service.name) ?? {}
    if (desiredState === undefined && !service.options.autostart) service.desiredState = 'stopped'
  }

  /** @param declared what `threadplane.json` says of the service, if that counts @throws MODULE_REFUSED */
  async registration(
    module: string,
    overrides: RegistrationOptions,
    declared?: RegistrationOptions,
  ): Promise<ServiceRegistration> {
    const { modules, descriptions } = this.options
    const moduleUrl = modules.resolve(module)
    const [description, hash] = await Promise.all([descriptions.get(moduleUrl), modules.hashOf(moduleUrl)])
    return { module, moduleUrl, declared, overrides, hash, description }
  }

  /** What `threadplane.json` says of a service, unless it was registered over HTTP. */
  declaredOptions(name: string): RegistrationOptions | undefined {
    const { registrations, modules } = this.options
    return registrations.get(name)?.module === undefined ? modules.declared.get(name)?.options : undefined
  }

  create(name: string, registration: ServiceRegistration): SupervisedService {
    const { registrations, descriptions, log, events, meters, runsHere, traces } = this.options
    return new SupervisedService({
      ...registration,
      name,
      desiredState: registrations.get(name)?.desiredState ?? 'running',
      log,
      events,
      meter: meters.service(),
      traces,
      groups: this.#groups,
      startRefusal: () => (this.closing ? shuttingDown() : undefined),
      planDependencies: (dependsOn) => this.dependencies.plan(name, dependsOn),
      startDependencies: (options, by) => this.#startDependencies(name, options, by),
      runsHere: (options) => runsHere(name, options),
      onDescribed: (moduleUrl, description) => {
        descriptions.keep(moduleUrl, description).catch((error: unknown) => {
          log.warn({ err: error, service: name }, 'the description of a module could not be written')
        })
      },
    })
  }

  /** Services that were stopped are wanted from now on, as if a client had started them. */
  async #startDependencies(name: string, options: ResolvedServiceOptions, by?: string): Promise<void> {
    const stopped = options.dependsOn.flatMap((other) => {
      const service = this.#services.get(other)
      return service?.desiredState === 'stopped' ? [service] : []
    })
    try {
      await this.dependencies.start(name, options, by)
    } finally {
      const { registrations } = this.options
      // Another server may have written it already.
      const unwritten = stopped.filter((one) => registrations.get(one.name)?.desiredState !== one.desiredState)
      await Promise.all(unwritten.map((service) => this.wishes.keep(service, service.desiredState))).catch(
        (error: unknown) => {
          const text = 'the services that it depends on were started; that could not be written for the next start'
          this.options.log.warn({ err: error, service: name }, text)
        },
      )
    }
  }

  /** Keeps room for a new service until it is added. @throws CONFLICT if there are too many */
  async withRoom(add: () => Promise<void>): Promise<void> {
    const { maxServices } = this.options
    if (this.#services.size + this.#leaving.size + this.#arriving >= maxServices) {
      const detail = `there are ${maxServices} services already (THREADPLANE_MAX_SERVICES): delete one first`
      throw new ThreadplaneError('CONFLICT', detail)
    }
    this.#arriving += 1
    try {
      await add()
    } finally {
      this.#arriving -= 1
    }
  }

  /** @throws SHUTTING_DOWN */
  add(service: SupervisedService): void {
    if (this.closing) throw shuttingDown()
    this.#services.set(service.name, service)
    this.options.dispatcher.serve(service)
    service.on('state', (state) => this.emit('state', service.name, state))
  }

  /**
   * Stops a service and forgets it, with its unfinished jobs.
   * @param left what remains of its registration
   * @throws JOURNAL_UNAVAILABLE; then the service stays as it is
   */
  async forget(service: SupervisedService, left: Parameters<Registrations['update']>[1], by?: string): Promise<void> {
    const { dispatcher, registrations, onDeleted } = this.options
    const { name } = service
    this.#services.delete(name)
    this.#leaving.add(service)
    try {
      await dispatcher.ofService.cancelAll(name)
      await registrations.update(name, left)
    } catch (error) {
      this.#services.set(name, service)
      throw error
    } finally {
      this.#leaving.delete(service)
    }
    await this.drop(service, by)
    // Jobs that were being accepted meanwhile.
    await dispatcher.ofService.cancelAll(name)
    await onDeleted(name)
  }

  /** Stops a service and forgets it on this server: its registration is gone. */
  async drop(service: SupervisedService, by?: string): Promise<void> {
    const { dispatcher, onRemoved, events } = this.options
    const { name, module } = service
    this.#services.delete(name)
    this.#leaving.add(service)
    try {
      await service.remove(by)
    } finally {
      this.#leaving.delete(service)
    }
    dispatcher.forget(service)
    service.meter.end()
    onRemoved(name)
    events.emit({ type: 'service.removed', service: name, module, by: by ?? null })
  }

  // At the end of the server

  /** Runs what runs to its end, and stops every thread. What a person wants to run stays as it is. */
  async close(): Promise<void> {
    this.closing = true
    const order = dependentsFirst([...this.#services.keys()].sort(), this.dependencies.dependentsOf)
    const services = order.flatMap((name) => this.#services.get(name) ?? [])
    await this.dependencies.stop([...this.#leaving, ...services], (service) => service.halt())
    this.options.dispatcher.close()
    // The next server may use the folder as soon as this one has ended.
    await resolvesWithin(this.options.descriptions.written(), WRITTEN_WITHIN_MS)
  }
}

export function shuttingDown(): ThreadplaneError {
  const detail = 'the server is shutting down and accepts no new work: try again later'
  return new ThreadplaneError('SHUTTING_DOWN', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS })
}
