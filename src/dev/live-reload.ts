/**
 * Keeps the services of a running server in line with their files: what has changed is loaded anew beside the old code, so
 * that no call is lost. A file counts as changed by its content. Events of the file system only say when to look.
 */
import { realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { resolvesWithin } from '../async/deadline.ts'
import { DECLARED_FILE, type DeclaredServices } from '../registry/declared-services.ts'
import { readDeclaredServices } from '../server/declared-schedules.ts'
import type { Server } from '../server/options.ts'
import { restoreService } from '../registry/restore-services.ts'
import type { SupervisedService } from '../services/supervised-service.ts'
import { contractDiff } from './contract-diff.ts'
import { type Files, ModuleFiles } from '../registry/module-files.ts'
import type { Output } from './output.ts'
import { Watcher } from './watcher.ts'

/** A line about a reload waits so long for the calls that the old code has begun, to say that they have finished. */
const FINISHED_WITHIN_MS = 2_000

export class LiveReload {
  readonly #server: Server
  readonly #output: Output
  readonly #watcher: Watcher
  readonly #moduleFiles = new ModuleFiles()
  /** The files of each service, as they were when it was last loaded. */
  readonly #loaded = new Map<string, Files>()
  /** The services of the folder: names → files. */
  #folder = new Map<string, string>()
  /** Warnings about files of the folder: each is told once. */
  readonly #told = new Set<unknown>()
  /** Why `threadplane.json` cannot be used. */
  #declaredFault: string | undefined
  #isLooking = false
  #lookAgain = false

  private constructor(server: Server, output: Output) {
    this.#server = server
    this.#output = output
    this.#watcher = new Watcher(
      () => void this.#changed(),
      (error) => output.failed('files are not watched any more', `${(error as Error).message}`),
    )
  }

  /** Resolves when all files are watched. */
  static async start(server: Server, output: Output): Promise<LiveReload> {
    const live = new LiveReload(server, output)
    live.#folder = await live.#listFolder()
    const files = await live.#readAndWatch(server.registry.services)
    for (const [name, found] of files) live.#loaded.set(name, found)
    await Promise.all(server.registry.services.map((service) => live.#showFailure(service)))
    return live
  }

  /** Loads every service anew. */
  async reloadAll(): Promise<void> {
    const { services } = this.#server.registry
    for (const [name, files] of await this.#readAndWatch(services)) this.#loaded.set(name, files)
    await Promise.all(services.map((service) => this.#reload(service, [])))
  }

  /** Looks at the files; what changes meanwhile is looked at after that. */
  async #changed(): Promise<void> {
    this.#lookAgain = true
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      while (this.#lookAgain && !this.#server.registry.closing) {
        this.#lookAgain = false
        await this.#look()
      }
    } catch (error) {
      this.#output.failed('the files could not be read', (error as Error).message)
    } finally {
      this.#isLooking = false
    }
  }

  async #look(): Promise<void> {
    const { registry } = this.#server
    const declaredBefore = registry.options.modules.declared
    await this.#readDeclared()
    const before = this.#folder
    this.#folder = await this.#listFolder()
    const gone = [...before].filter(([name]) => !this.#folder.has(name))
    await Promise.all(gone.map(([name, file]) => this.#remove(name, file)))
    const added = [...this.#folder].filter(([name]) => !before.has(name))
    await Promise.all(added.map(([name, file]) => this.#register(name, file)))
    const { declared } = registry.options.modules
    if (declared !== declaredBefore) this.#server.declaredSchedules.follow(declared)
    const files = await this.#readAndWatch(registry.services)
    await Promise.all(
      registry.services.map(async (service) => {
        const { name } = service
        const [old, now] = [this.#loaded.get(name), files.get(name)]
        // Read before the code is loaded: what changes meanwhile is seen at the next look.
        if (now !== undefined) this.#loaded.set(name, now)
        const [fileBefore, file] = [before.get(name), this.#folder.get(name)]
        const isRenamed = fileBefore !== file && fileBefore === service.module && file !== undefined
        const changed = isRenamed ? [this.#pathOf(file)] : changedFiles(old, now)
        if (before.has(name) && this.#isDeclaredAnew(name, declaredBefore)) changed.push(this.#pathOf(DECLARED_FILE))
        if (changed.length > 0) await this.#reload(service, changed, isRenamed ? file : undefined)
      }),
    )
  }

  /** If the file cannot be used, that is said once, and what it has declared before goes on. */
  async #readDeclared(): Promise<void> {
    const { modules } = this.#server.registry.options
    const before = modules.declared
    try {
      const declared = await readDeclaredServices(modules.path)
      if (!isDeepStrictEqual(declared, before)) {
        modules.declare(declared)
        await this.#listFolder()
      }
      this.#declaredFault = undefined
    } catch (error) {
      modules.declare(before)
      const { message } = error as Error
      if (message !== this.#declaredFault) this.#output.failed('what it declared before goes on', message)
      this.#declaredFault = message
    }
  }

  /** Has `threadplane.json` other options, configuration or environment for a service? Those that were registered over HTTP do not follow it. */
  #isDeclaredAnew(name: string, before: DeclaredServices): boolean {
    const { registry } = this.#server
    if (registry.options.registrations.get(name)?.module !== undefined) return false
    return !isDeepStrictEqual(before.get(name)?.options, registry.declaredOptions(name))
  }

  async #listFolder(): Promise<Map<string, string>> {
    const { modules } = this.#server.registry.options
    return modules.services({
      warn: (fields: object, message?: string) => {
        const text = `${message} ${JSON.stringify(fields)}`
        // The start of the server has logged those that were there.
        if (this.#loaded.size > 0 && !this.#told.has(text)) this.#server.log.warn(fields, message)
        this.#told.add(text)
      },
    })
  }

  /** The files of the services, whose folders are watched from now on. */
  async #readAndWatch(services: SupervisedService[]): Promise<Map<string, Files>> {
    const { modules } = this.#server.registry.options
    const paths = new Map(services.map(({ name, module }) => [name, this.#pathOf(module)]))
    let read = await this.#moduleFiles.read([...paths.values()])
    const folders = [...read.values()].flatMap((files) => [...files.keys()].map((file) => dirname(file)))
    // What has changed before the folders were watched.
    if (await this.#watcher.add([modules.path, ...folders])) read = await this.#moduleFiles.read([...paths.values()])
    return new Map([...paths].map(([name, path]) => [name, read.get(path) ?? new Map()]))
  }

  #pathOf(module: string): string {
    const path = fileURLToPath(this.#server.registry.options.modules.urlOf(module))
    try {
      return realpathSync(path)
    } catch {
      return path
    }
  }

  async #reload(service: SupervisedService, changed: string[], file?: string): Promise<void> {
    const { registry, changes } = this.#server
    const { name } = service
    const before = service.contract.description
    const since = performance.now()
    try {
      await changes.loadAnew(name, file)
    } catch (error) {
      if (registry.closing || registry.find(name) !== service) return
      const what = `not reloaded${service.state === 'running' ? ': the old code goes on' : ''}`
      return this.#showError(service, what, error, changed)
    }
    const tookMs = Math.round(performance.now() - since)
    const after = service.contract.description
    const oldCalls = service.threads.reduce((sum, { draining, running }) => sum + (draining ? running : 0), 0)
    const changesOfContract = before && after ? contractDiff(before, after) : []
    const reload = { service: name, files: changed, state: service.state, tookMs, oldCalls, changes: changesOfContract }
    // The next change of a file must not wait for them.
    const haveFinished = oldCalls === 0 ? Promise.resolve(true) : resolvesWithin(service.settled(), FINISHED_WITHIN_MS)
    void haveFinished.then((haveFinished) => this.#output.reloaded({ ...reload, haveFinished }))
  }

  async #register(name: string, file: string): Promise<void> {
    const { registry, changes } = this.#server
    const { registrations, events } = registry.options
    if (registrations.get(name)?.deleted) {
      this.#output.failed(`${name} is not registered`, 'it was deleted over HTTP: PUT it again')
      return
    }
    if (registry.find(name) !== undefined) return
    const since = performance.now()
    await changes.oneByOne(name, async () => {
      const service = await restoreService(registry, name, file)
      events.emit({ type: 'service.registered', service: name, module: file, by: null })
      const files = await this.#readAndWatch([service])
      this.#loaded.set(name, files.get(name) ?? new Map())
      await registry.bringUp(service)
      if (registry.closing || (await this.#showFailure(service))) return
      const tookMs = Math.round(performance.now() - since)
      this.#output.registered(name, this.#pathOf(file), service.state, tookMs)
    })
  }

  async #remove(name: string, file: string): Promise<void> {
    const { registry, changes } = this.#server
    const service = registry.find(name)
    if (service === undefined || service.module !== file) return
    await changes.oneByOne(name, () => registry.drop(service))
    this.#loaded.delete(name)
    this.#output.removed(name, this.#pathOf(file))
  }

  /** False if it has not failed. */
  async #showFailure(service: SupervisedService): Promise<boolean> {
    const { state, crashReason } = service
    if (crashReason === undefined || !(state === 'failed' || state === 'backoff')) return false
    await this.#showError(service, 'does not start', crashReason)
    return true
  }

  async #showError(
    { name, module }: SupervisedService,
    what: string,
    error: unknown,
    changed: string[] = [],
  ): Promise<void> {
    const path = this.#pathOf(module)
    const files = [...new Set([...changed, ...(this.#loaded.get(name)?.keys() ?? [path])])]
    await this.#output.frame(`${name} ${what}`, error as Error, path, files)
  }
}

/** Files with another content. Without those, files that are imported now, as a link has another target, or no more. */
function changedFiles(before: Files = new Map(), after: Files = new Map()): string[] {
  const edited = [...before.keys()].filter((path) => after.has(path) && before.get(path) !== after.get(path))
  if (edited.length > 0) return edited
  return [...new Set([...before.keys(), ...after.keys()])].filter((path) => before.has(path) !== after.has(path))
}
