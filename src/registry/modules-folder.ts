/** The folder of service modules: which of its files are services, and which files a registration may name (not one outside). */
import { realpathSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ServiceLog } from '../contract/log.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { NAME_PATTERN } from '../contract/options.ts'

const MODULE = /(?<!\.d)\.(m?js|m?ts)$/

export class ModulesFolder {
  readonly path: string

  constructor(path: string) {
    this.path = resolve(path)
  }

  /** Service names and their files. Files that begin with `_`, `.d.ts` and `.map` files are no services. */
  async services(log: ServiceLog): Promise<Map<string, string>> {
    const services = new Map<string, string>()
    for (const entry of await this.#entries()) {
      if (entry.isDirectory() || entry.name.startsWith('_') || !MODULE.test(entry.name)) continue
      const name = entry.name.replace(MODULE, '')
      if (!NAME_PATTERN.test(name)) log.warn({ module: entry.name }, 'no service: its name cannot be one')
      else if (services.has(name)) log.warn({ module: entry.name }, `no service: ${services.get(name)} has that name`)
      else services.set(name, entry.name)
    }
    return services
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
    if (!MODULE.test(module)) throw refuse('is not a .js, .mjs, .ts or .mts file')
    if (isAbsolute(module) || module.includes('\0')) throw refuse('must be a path relative to the workers folder')
    if (!this.#contains(this.path, join(this.path, module))) throw refuse('is outside the workers folder')
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
