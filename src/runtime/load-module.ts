/** Imports a service module in its thread. What few modules need is loaded for those only. */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { markUnloadable, ThreadplaneError } from '../contract/errors.ts'
import { isServiceDefinition, type ServiceDefinition } from '../module/define-service.ts'

/**
 * @param url a `file:` URL
 * @throws MODULE_REFUSED if the module does not export a service; also whatever the module itself throws
 */
export async function loadModule(url: string): Promise<ServiceDefinition> {
  const isTypeScript = /\.[cm]?ts$/.test(url)
  const needsHook = isTypeScript && !(process.features as { typescript?: unknown }).typescript
  if (needsHook && !(await import('./strip-types.ts')).stripTypes(url)) {
    throw new ThreadplaneError(
      'MODULE_REFUSED',
      `a TypeScript module needs Node 22.18 or newer, and this is ${process.version}: ` +
        'compile it to JavaScript first, or install the package amaro beside it',
    )
  }
  if (!resolvesPackages(url)) (await import('./resolve-fallback.ts')).resolveFromServer()
  const module = await importModule(url)
  if (isServiceDefinition(module.default)) return module.default
  const isCommonJs = fileURLToPath(url) in createRequire(url).cache
  throw new ThreadplaneError('MODULE_REFUSED', noService(module.default, isCommonJs))
}

/** Why the module exports no service. What a CommonJS module assigns to `module.exports` is its default export. */
function noService(exported: unknown, isCommonJs: boolean): string {
  const write = isCommonJs ? 'module.exports = defineService({ ... })' : 'export default defineService({ ... })'
  if (isCommonJs && isServiceDefinition((exported as Exports | null)?.default)) {
    return `its service is in module.exports.default: write "${write}"`
  }
  const isMissing = exported === undefined || (isCommonJs && isDeepStrictEqual(exported, {}))
  return `its default export is ${isMissing ? 'missing' : 'not a service'}: write "${write}"`
}

interface Exports {
  default?: unknown
}

async function importModule(url: string): Promise<Exports> {
  try {
    return (await import(url)) as Exports
  } catch (error) {
    if (error instanceof SyntaxError) throw await explained(error, url)
    if (isNotLoadable(error)) markUnloadable(error as Error)
    throw error
  }
}

/** Node's codes for an import that finds no module, or none that can be loaded. All others may pass. */
const NOT_LOADABLE =
  /^(MODULE_NOT_FOUND|ERR_(MODULE_NOT_FOUND|(INVALID|UNSUPPORTED|UNKNOWN|PACKAGE|REQUIRE|IMPORT)_(MODULE|PACKAGE|DIR|FILE|BUILTIN|ESM|TYPESCRIPT|NODE|PATH|IMPORT|ASYNC|CYCLE|ATTRIBUTE|ASSERTION)\w*))$/

/** With its place in the file. */
async function explained(error: SyntaxError, url: string): Promise<SyntaxError> {
  const { isFromLoader, withLocation } = await import('./syntax-error-location.ts')
  const located = await withLocation(error, url)
  if (isFromLoader(error) || isNotLoadable(error)) markUnloadable(located)
  return located
}

/** Would each further import of the same files throw this error too? */
function isNotLoadable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof ReferenceError && error.message.includes('in ES module scope')) return true
  const { code } = error as NodeJS.ErrnoException
  return code !== undefined && NOT_LOADABLE.test(code)
}

/** True if `threadplane` and `zod` resolve from the module's own folder. */
function resolvesPackages(url: string): boolean {
  const { resolve } = createRequire(url)
  try {
    resolve('threadplane/package.json')
    resolve('zod')
    return true
  } catch {
    return false
  }
}
