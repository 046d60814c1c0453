/** Imports a service module in its thread. */
import { createRequire } from 'node:module'
import { ThreadplaneError } from '../contract/errors.ts'
import { isServiceDefinition, type ServiceDefinition } from '../module/define-service.ts'
import { resolveFromServer } from './resolve-fallback.ts'
import { withLocation } from './syntax-error-location.ts'

/**
 * @param url a `file:` URL
 * @throws MODULE_REFUSED if the module does not export a service; also whatever the module itself throws
 */
export async function loadModule(url: string): Promise<ServiceDefinition> {
  if (/\.[cm]?ts$/.test(url) && !(process.features as { typescript?: unknown }).typescript) {
    throw new ThreadplaneError(
      'MODULE_REFUSED',
      `a TypeScript module needs Node 22.18 or newer, and this is ${process.version}: compile it to JavaScript first`,
    )
  }
  if (!resolvesPackages(url)) resolveFromServer()
  const { default: exported } = await importModule(url)
  if (!isServiceDefinition(exported)) {
    throw new ThreadplaneError(
      'MODULE_REFUSED',
      `its default export is ${exported === undefined ? 'missing' : 'not a service'}: write "export default defineService({ ... })"`,
    )
  }
  return exported
}

async function importModule(url: string): Promise<{ default?: unknown }> {
  try {
    return (await import(url)) as { default?: unknown }
  } catch (error) {
    throw error instanceof SyntaxError ? await withLocation(error, url) : error
  }
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
