/** The folder of service modules: which of its files are services, and which files a registration may name. */
import { createHash } from 'node:crypto'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { isAbsolute, join, normalize, relative, resolve, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { ServiceLog } from '../contract/log.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { NAME_PATTERN } from '../contract/options.ts'
import { type DeclaredServices, faultAt } from './declared-services.ts'
import type { ModuleFiles } from './module-files.ts'

const MODULE = /(?<!\.d)\.([cm]?js|m?ts)$/
/** Characters of a hash: 96 bits. */
const HASH_LENGTH = 16
const EXTENSIONS = ['js', 'mjs', 'cjs', 'ts', 'mts']
/** Names of files and folders that hold no services: helpers, dot files, and the packages that modules import. */
const NO_SERVICE = /^([_.]|node_modules$)/i

export class ModulesFolder {
  readonly path: string
  /** Loaded with the parser of imports when the first hash is asked for. */
  #files: Promise<ModuleFiles> | undefined
  #declared: DeclaredServices = new Map()
  /** The modules that `threadplane.json` names: they are services by the names there, and not by those of their files. */
  #named: ReadonlySet<string> = new Set()

  constructor(path: string, declared: DeclaredServices = new Map()) {
    this.path = resolve(path)
    this.declare(declared)
  }

  /** What `threadplane.json` declares. */
  get declared(): DeclaredServices {
    return this.#declared
  }

  /** Sets what `threadplane.json` declares from now on. */
  declare(declared: DeclaredServices): void {
    this.#declared = declared
    this.#named = new Set([...declared.values()].flatMap(({ module }) => module ?? []))
  }

  /**
   * Service names and their files. Files that begin with `_` or a dot, `.d.ts` and `.map` files are no services.
   * @throws Error if a module that is declared cannot be one
   */
  async services(log: Pick<ServiceLog, 'warn'>): Promise<Map<string, string>> {
    const services = new Map([...this.declared.keys()].map((name) => [name, this.#declaredModule(name)]))
    for (const entry of await this.#entries()) {
      if (entry.isDirectory() || NO_SERVICE.test(entry.name) || !MODULE.test(entry.name)) continue
      const name = entry.name.replace(MODULE, '')
      if (this.#named.has(entry.name) || services.get(name) === entry.name) continue
      if (!NAME_PATTERN.test(name)) log.warn({ module: entry.name }, 'no service: its name cannot be one')
      else if (services.has(name)) log.warn({ module: entry.name }, `no service: ${services.get(name)} has that name`)
      else services.set(name, entry.name)
    }
    return services
  }

  /** Is there a file that is a service of this name, unless it was deleted over HTTP? */
  hasService(name: string): boolean {
    return this.fileOf(name) !== undefined
  }

  /** The file that is a service of this name, if there is one. */
  fileOf(name: string): string | undefined {
    const declared = this.declared.get(name)
    if (declared?.module !== undefined) return declared.module
    const files = EXTENSIONS.map((extension) => `${name}.${extension}`)
    const file = files.find((one) => existsSync(join(this.path, one)))
    const hasOtherName = declared === undefined && file !== undefined && this.#named.has(file)
    return hasOtherName ? undefined : file
  }

  /** @throws Error */
  #declaredModule(name: string): string {
    const module = this.fileOf(name)
    if (module === undefined) {
      const files = EXTENSIONS.map((extension) => `${name}.${extension}`).join(', ')
      throw faultAt(this.path, ['services', name], `there is none of the files ${files}: name a "module"`)
    }
    try {
      this.resolve(module)
      return module
    } catch (error) {
      throw faultAt(this.path, ['services', name, 'module'], (error as Error).message)
    }
  }

  /**
   * Tells whether two servers have the same code of a module: of its file, and of all that it imports outside of
   * `node_modules`, wherever these files are. `undefined`: the module cannot be read.
   */
  async hashOf(moduleUrl: string): Promise<string | undefined> {
    this.#files ??= import('./module-files.ts').then(({ ModuleFiles }) => new ModuleFiles())
    const module = fileURLToPath(moduleUrl)
    const files = (await (await this.#files).read([module])).get(module)
    if (files?.get(module) === undefined) return undefined
    const hash = createHash('sha256')
    const contents = [...files.values()].map((content = 'missing') => content)
    for (const content of contents.sort((a, b) => (a < b ? -1 : 1))) hash.update(`${content}\n`)
    return hash.digest('base64url').slice(0, HASH_LENGTH)
  }

  /** The `file:` URL of a module, whether it can be used or not. */
  urlOf(module: string): string {
    return pathToFileURL(join(this.path, module)).href
  }

  async #entries() {
    try {
      const entries = await readdir(this.path, { withFileTypes: true })
      return entries.sort((a, b) => (a.name < b.name ? -1 : 1))
    } catch (error) {
      throw new Error(`the workers folder ${this.path} cannot be read`, { cause: error })
    }
  }

  /**
   * The `file:` URL of a module inside the folder; links are followed before it is judged.
   * @throws MODULE_REFUSED
   */
  resolve(module: string): string {
    const refuse = (why: string) => new ThreadplaneError('MODULE_REFUSED', `module ${JSON.stringify(module)} ${why}`)
    if (!MODULE.test(module)) throw refuse('is not a .js, .mjs, .cjs, .ts or .mts file')
    if (isAbsolute(module) || module.includes('\0')) throw refuse('must be a path relative to the workers folder')
    if (!this.#contains(this.path, join(this.path, module))) throw refuse('is outside the workers folder')
    const hidden = normalize(module)
      .split(/[/\\]/)
      .find((part) => NO_SERVICE.test(part))
    if (hidden !== undefined) {
      throw refuse(`is in ${hidden}: what begins with _ or a dot, and node_modules, holds no services`)
    }
    let file: string
    try {
      file = realpathSync(join(this.path, module))
      if (!statSync(file).isFile()) throw refuse('is not a file')
    } catch (error) {
      if (error instanceof ThreadplaneError) throw error
      throw refuse('does not exist in the workers folder')
    }
    if (!this.#contains(realpathSync(this.path), file)) throw refuse('is outside the workers folder')
    return pathToFileURL(file).href
  }

  #contains(folder: string, file: string): boolean {
    const path = relative(folder, file)
    return path !== '' && path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path)
  }
}
