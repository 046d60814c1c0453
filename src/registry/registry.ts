/**
 * The services by their names: found, loaded, started and stopped in the order that `dependsOn` makes. What a person
 * wants to run survives a restart of the server.
 */
import type { ServiceState } from '../contract/states.ts'
import { EventEmitter } from 'node:events'
import { resolvesWithin } from '../async/deadline.ts'
import { hasCode, RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import type { EventSink } from '../contract/events.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { Traces } from '../contract/traces.ts'
import type { ResolvedServiceOptions, ServiceOptions } from '../contract/options.ts'
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
  /** Called after a service was deleted. */
  onRemoved: (name: string) => Promise<void>
}

/** The longest wait for files that are being written while the server ends. */
const WRITTEN_WITHIN_MS = 1_000

export class Registry extends EventEmitter<{ state: [name: string, state: ServiceState] }> implements Invoker {
  readonly options: RegistryOptions
  readonly dependencies: Dependencies
  readonly #services = new Map<string, SupervisedService>()
  /** Services that are being deleted: clients do not find them any more. */
  readonly #leaving = new Set<SupervisedService>()
  /** Services whose registration is being written for the first time. */
  #arriving = 0
  readonly #groups: RestartGroups
  /** No new work is accepted any more. */
  closing = false
  /** Every autostarted service has started or failed to. */
  startedUp = false

  constructor(options: RegistryOptions) {
    super()
    this.options = options
    this.dependencies = new Dependencies(this.#services)
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
    await Promise.all(this.services.map((service) => this.bringUp(service)))
    this.startedUp = true
  }

  /**
   * Starts a service if a person wants that, or else if its options say so. Never rejects.
   * @param by here and below: the token that asked for it
   */
  async bringUp(service: SupervisedService, by?: string): Promise<void> {
    const wanted = this.options.registrations.get(service.name)?.desiredState
    try {
      if (wanted !== 'stopped') await service.start({ onlyIfAutostart: wanted === undefined, by })
      else if (service.contract.description === undefined) await service.contract.describe(service.options)
    } catch (error) {
      // START_FAILED was logged where it happened. The end of the server interrupts starts.
      if (!hasCode(error, 'START_FAILED') && !this.closing) {
        this.options.log.error({ err: error, service: service.name }, 'a service did not start')
      }
    }
  }

  /** @throws MODULE_REFUSED */
  async registration(module: string, overrides: ServiceOptions): Promise<ServiceRegistration> {
    const { modules, descriptions } = this.options
    const moduleUrl = modules.resolve(module)
    return { module, moduleUrl, overrides, description: await descriptions.get(moduleUrl) }
  }

  create(name: string, registration: ServiceRegistration): SupervisedService {
    const { registrations, descriptions, log, events, meters, traces } = this.options
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
      await Promise.all(stopped.map((service) => this.#keepDesiredState(service))).catch((error: unknown) => {
        const text = 'the services that it depends on were started; that could not be written for the next start'
        this.options.log.warn({ err: error, service: name }, text)
      })
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
    const { dispatcher, registrations, onRemoved, events } = this.options
    const { name, module } = service
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
    await service.remove(by)
    dispatcher.forget(service)
    service.meter.end()
    // Jobs that were being accepted meanwhile.
    await dispatcher.ofService.cancelAll(name)
    await onRemoved(name)
    events.emit({ type: 'service.removed', service: name, module, by: by ?? null })
  }

  // What a person wants

  /** Starts a service, and first what it depends on. False if it was started already. @throws START_FAILED, CONFLICT */
  async start(name: string, by?: string): Promise<boolean> {
    const service = this.get(name)
    // Both at once, so that each error is caught.
    const [changed] = await Promise.all([service.start({ by }), this.#keepDesiredState(service)])
    return changed
  }

  /** Stops a service, and first what depends on it. @throws JOURNAL_UNAVAILABLE */
  async stop(
    name: string,
    { drain, by }: { drain: boolean; by?: string | undefined },
  ): Promise<{ changed: boolean; stoppedDependents: string[] }> {
    const { dependentsOf } = this.dependencies
    const services = dependentsFirst([this.get(name).name], dependentsOf).map((one) => this.get(one))
    for (const service of services) service.desiredState = 'stopped'
    const stopping = this.dependencies.stop(services, async (service) => {
      // A person may have started it while it waited for its dependents to stop: the last wish wins.
      return service.desiredState === 'stopped' && (await service.stop({ drain, by }))
    })
    const [stopped] = await Promise.all([stopping, ...services.map((service) => this.#keepDesiredState(service))])
    return { changed: stopped.includes(name), stoppedDependents: stopped.filter((one) => one !== name) }
  }

  /**
   * Restarts a service. What depends on it is stopped before, and started after, unless a person has stopped it meanwhile.
   * @throws START_FAILED, CONFLICT, JOURNAL_UNAVAILABLE
   */
  async restart(name: string, by?: string): Promise<{ stoppedDependents: string[] }> {
    const service = this.get(name)
    const { dependentsOf } = this.dependencies
    const dependents = dependentsFirst(dependentsOf(name), dependentsOf).map((one) => this.get(one))
    const stoppedDependents = await this.dependencies.stop(dependents, (dependent) => dependent.halt({ by }))
    const restarted = service.restart(by)
    // Where the restart fails, its supervisor may still bring the service up, which its dependents wait for.
    const followed = restarted.catch(() => {}).then(() => this.#startAgain(stoppedDependents, by))
    followed.catch(() => {})
    try {
      await restarted
    } finally {
      await this.#keepDesiredState(service)
    }
    await followed
    return { stoppedDependents }
  }

  async #startAgain(names: string[], by: string | undefined): Promise<void> {
    const services = names.flatMap((name) => this.#services.get(name) ?? [])
    await Promise.all(
      services.filter(({ desiredState }) => desiredState === 'running').map((service) => service.start({ by })),
    )
  }

  /** Writes what a person wants of a service, for the next start of the server. @throws JOURNAL_UNAVAILABLE */
  async #keepDesiredState({ name, desiredState }: SupervisedService): Promise<void> {
    const { registrations } = this.options
    // What cannot be used is not replaced by the part that can be read.
    if (registrations.damageOf(name) !== undefined) return
    await registrations.update(name, (known) => ({ ...known, desiredState }))
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
