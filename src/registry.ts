/** Name → supervised service. What is registered over HTTP, and what was wanted to run, survives a restart. */
import { EventEmitter } from 'node:events'
import { hasCode, ThreadplaneError } from './errors.ts'
import type { Dispatcher } from './jobs/dispatcher.ts'
import type { ResolvedServiceOptions, ServiceOptions } from './options.ts'
import type { Registrations } from './registrations.ts'
import type { ServiceLog } from './service/service.ts'
import { type Supervisor, SUPERVISORS } from './service/supervisor.ts'
import { type ServiceState, SupervisedService } from './supervised-service.ts'
import type { WorkersFolder } from './workers-folder.ts'

export interface RegistryOptions {
  workers: WorkersFolder
  registrations: Registrations
  dispatcher: Dispatcher
  log: ServiceLog
  /** A service was deleted. */
  onRemoved: (name: string) => Promise<void>
}

export class Registry extends EventEmitter<{ state: [name: string, state: ServiceState] }> {
  readonly #options: RegistryOptions
  readonly #services = new Map<string, SupervisedService>()
  /** Supervisors of restart groups, by name. */
  readonly #groups = new Map<string, Supervisor>()
  readonly #registering = new Map<string, Promise<unknown>>()
  /** No new work is taken any more. */
  closing = false
  /** Every autostarted service has started or failed to. */
  startedUp = false

  constructor(options: RegistryOptions) {
    super()
    this.#options = options
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
      this.#add(await this.#create(name, module, options))
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
      // A crash of its thread is logged as one; a start that the end of the server interrupts is none.
      if (!hasCode(error, 'START_FAILED') && !this.closing) {
        this.#options.log.error({ err: error, service: service.name }, 'a service did not start')
      }
    }
  }

  async #create(name: string, module: string, overrides: ServiceOptions): Promise<SupervisedService> {
    const { workers, registrations, log } = this.#options
    const moduleUrl = workers.resolve(module)
    return new SupervisedService({
      name,
      module,
      moduleUrl,
      overrides,
      desiredState: registrations.get(name)?.desiredState ?? 'running',
      description: await registrations.description(moduleUrl),
      log,
      supervisorFor: (options) => this.#supervisorFor(name, options),
      onDescribed: (description) => {
        registrations.keepDescription(moduleUrl, description).catch((error: unknown) => {
          log.warn({ err: error, service: name }, 'the description of a module could not be kept')
        })
      },
    })
  }

  #add(service: SupervisedService): void {
    this.#services.set(service.name, service)
    this.#options.dispatcher.serve(service)
    service.on('state', (state) => this.emit('state', service.name, state))
  }

  /** Its own, or that of its restart group, which lasts from its first member on. */
  #supervisorFor(name: string, { restart: { strategy, group, ...policy } }: ResolvedServiceOptions): Supervisor {
    const { log } = this.#options
    const create = () => new SUPERVISORS[strategy]({ name: group ?? name, policy, log })
    if (group === undefined) return create()
    const supervisor = this.#groups.get(group) ?? create()
    this.#groups.set(group, supervisor)
    return supervisor
  }

  /**
   * Registers a service, or replaces one, and waits for its start. A first registration whose start fails is kept.
   * True if it is new.
   * @throws MODULE_REFUSED, JOURNAL_UNAVAILABLE
   */
  async put(name: string, module: string, options: ServiceOptions): Promise<boolean> {
    return this.#oneByOne(name, async () => {
      const { registrations } = this.#options
      const service = await this.#create(name, module, options)
      // Before anything is stopped for it: what cannot be kept is not done either.
      await registrations.set(name, () => ({ module, options }))
      const replaced = this.#services.get(name)
      if (replaced !== undefined) {
        await replaced.stop()
        replaced.dispose()
      }
      this.#add(service)
      await this.#bringUp(service)
      return replaced === undefined
    })
  }

  /** Stops a service and forgets it. With unfinished jobs only if they may be cancelled. @throws CONFLICT, JOURNAL_UNAVAILABLE */
  async remove(name: string, { cancelJobs }: { cancelJobs: boolean }): Promise<void> {
    await this.#oneByOne(name, async () => {
      const { dispatcher, registrations } = this.#options
      const service = this.get(name)
      const unfinished = cancelJobs ? 0 : await dispatcher.countUnfinished(name)
      if (unfinished > 0) {
        const detail = `${name} has ${unfinished} unfinished jobs: cancel them, or delete with ?cancelJobs=true`
        throw new ThreadplaneError('CONFLICT', detail, { service: name })
      }
      this.#services.delete(name)
      try {
        await dispatcher.cancelAll(name)
        await registrations.set(name, () => ({ deleted: true }))
      } catch (error) {
        // Neither jobs nor the registration can be written: the service stays as it is.
        this.#services.set(name, service)
        throw error
      }
      await service.stop()
      service.dispose()
      // What was being accepted while the service went.
      await dispatcher.cancelAll(name)
      await this.#options.onRemoved(name)
    })
  }

  /** What a client asked for is what a restart of the process brings back. @throws JOURNAL_UNAVAILABLE */
  async rememberDesiredState({ name, desiredState }: SupervisedService): Promise<void> {
    await this.#options.registrations.set(name, (known) => ({ ...known, desiredState }))
  }

  /** Registrations of one name follow each other. */
  async #oneByOne<T>(name: string, change: () => Promise<T>): Promise<T> {
    const before = this.#registering.get(name) ?? Promise.resolve()
    const changed = before.then(change, change)
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
    await Promise.all(this.services.map((service) => service.stop()))
    this.#options.dispatcher.close()
  }
}
