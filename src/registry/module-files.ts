/**
 * Which files a service is made of: its module and all that the module imports, through any depth, outside `node_modules`.
 * The files are read and not run, so the files of a module that cannot be loaded are known too.
 */
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parse } from 'es-module-lexer'
import { resolve as resolveImport } from 'import-meta-resolve'

/** Paths → a hash of the content; `undefined`: there is no such file. */
export type Files = Map<string, string | undefined>

/** An import in the text of a file. */
export interface FoundImport {
  specifier: string
  /** Where the specifier begins in the text. */
  offset: number
}

interface ReadFile {
  hash: string | undefined
  imports: string[]
}

const SOURCE = /\.[cm]?[jt]s$/
const REQUIRE = /\brequire\(\s*(['"])([^'"\n]+)\1/g
/** The server itself cannot be loaded anew. */
const OWN_PACKAGE = /^threadplane(\/|$)/
const IN_PACKAGES = `${sep}node_modules${sep}`

export class ModuleFiles {
  /** What was read last: a file that has not changed is not parsed again. */
  readonly #known = new Map<string, ReadFile>()

  /** The files of each module. Each file is read once. @param modules paths */
  async read(modules: string[]): Promise<Map<string, Files>> {
    const read = new Map<string, Promise<ReadFile>>()
    const once = (path: string) => {
      const reading = read.get(path) ?? this.#read(path)
      read.set(path, reading)
      return reading
    }
    return new Map(await Promise.all(modules.map(async (path) => [path, await filesOf(path, once)] as const)))
  }

  async #read(path: string): Promise<ReadFile> {
    const text = await readFile(path, 'utf8').catch(() => undefined)
    const known = this.#known.get(path)
    const hash = text === undefined ? undefined : createHash('sha256').update(text).digest('base64url')
    // A file that is gone, or that cannot be parsed while it is being edited, keeps the imports that it had.
    if (known !== undefined && (text === undefined || known.hash === hash)) return { hash, imports: known.imports }
    const found = text !== undefined && SOURCE.test(path) ? importsOf(text) : []
    const imports = found?.flatMap(({ specifier }) => resolveFrom(path, specifier) ?? []) ?? known?.imports ?? []
    const file = { hash, imports }
    this.#known.set(path, file)
    return file
  }
}

async function filesOf(module: string, read: (path: string) => Promise<ReadFile>): Promise<Files> {
  const files: Files = new Map()
  const follow = async (path: string): Promise<void> => {
    if (files.has(path)) return
    files.set(path, undefined)
    const { hash, imports } = await read(path)
    files.set(path, hash)
    await Promise.all(imports.map(follow))
  }
  await follow(module)
  return files
}

/** The imports of a text in JavaScript or TypeScript, without those of types; `undefined` if it cannot be parsed. */
export function importsOf(text: string): FoundImport[] | undefined {
  const required = Array.from(text.matchAll(REQUIRE), (match) => ({
    specifier: match[2] ?? '',
    offset: match.index + match[0].length - (match[2] ?? '').length - 1,
  }))
  try {
    const [imports] = parse(text)
    return imports
      .flatMap((found) => {
        if (found.type === 'import-meta' || found.specifier === undefined) return []
        if (found.type === 'dynamic' ? found.glob : found.typeOnly) return []
        return { specifier: found.specifier, offset: text.indexOf(found.specifier, found.start) }
      })
      .concat(required)
  } catch {
    return undefined
  }
}

/** The path of an imported file, whether it exists or not; `undefined` for a package, and for a module of Node. */
export function resolveFrom(path: string, specifier: string): string | undefined {
  if (OWN_PACKAGE.test(specifier)) return undefined
  const file = isRelative(specifier) ? relativeTo(path, specifier) : resolvePackage(path, specifier)
  return file === undefined || file.includes(IN_PACKAGES) ? undefined : file
}

function isRelative(specifier: string): boolean {
  return /^(\.{0,2}\/|file:)/.test(specifier)
}

function relativeTo(path: string, specifier: string): string | undefined {
  try {
    const file = fileURLToPath(new URL(specifier, pathToFileURL(path)))
    try {
      return realpathSync(SOURCE.test(file) ? file : createRequire(path).resolve(file))
    } catch {
      return file
    }
  } catch {
    return undefined
  }
}

/** Also a package of the same repository, which is a link in `node_modules`, and `#name` of the module's own package. */
function resolvePackage(path: string, specifier: string): string | undefined {
  try {
    const url = resolveImport(specifier, pathToFileURL(path).href)
    return url.startsWith('file:') ? fileURLToPath(url) : undefined
  } catch {
    return undefined
  }
}
