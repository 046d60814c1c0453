/**
 * Module resolve hooks: a service module whose folder has no `node_modules` gets `threadplane` and `zod` from the
 * server's own package, by `import` and by `require`. From Node 22.15 on, one hook does both, in the service's thread.
 * Node 20 runs the hook for `import` in a thread that it starts for hooks, and loads this file there.
 */
import * as nodeModule from 'node:module'
import { createRequire, register, type ResolveHook, type ResolveHookContext } from 'node:module'
import { pathToFileURL } from 'node:url'

interface Resolved {
  url: string
  shortCircuit?: boolean
}
type ResolveInThread = (
  specifier: string,
  context: ResolveHookContext,
  nextResolve: (specifier: string, context: ResolveHookContext) => Resolved,
) => Resolved

/** Missing in the types of Node 20. */
interface InThreadHooks {
  registerHooks?: (hooks: { resolve: ResolveInThread }) => void
}
/** What `require` resolves with. Not documented; for Node 20 there is nothing else. */
interface CommonJsLoader {
  _resolveFilename: (specifier: string, ...rest: unknown[]) => string
}

const SERVER_PACKAGES = /^(threadplane|zod)(\/|$)/
const serverRequire = createRequire(import.meta.url)

/** Installs the hooks for all that this thread loads from now on. */
export function resolveFromServer(): void {
  const { registerHooks } = nodeModule as InThreadHooks
  if (registerHooks !== undefined) return registerHooks({ resolve: resolveInThread })
  register('../runtime/resolve-fallback.js', import.meta.url)
  replaceRequire(nodeModule.default as unknown as CommonJsLoader)
}

const resolveInThread: ResolveInThread = (specifier, context, nextResolve) => {
  try {
    return nextResolve(specifier, context)
  } catch (error) {
    if (!SERVER_PACKAGES.test(specifier)) throw error
    // The resolution of a `require` does not read the context.
    if (!context.conditions.includes('require')) return nextResolve(specifier, fromServer(context))
    return { url: pathToFileURL(serverRequire.resolve(specifier)).href, shortCircuit: true }
  }
}

/** The export that Node 20 calls in its thread for hooks. */
export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  try {
    return await nextResolve(specifier, context)
  } catch (error) {
    if (!SERVER_PACKAGES.test(specifier)) throw error
    return nextResolve(specifier, fromServer(context))
  }
}

function fromServer(context: ResolveHookContext): ResolveHookContext {
  return { ...context, parentURL: import.meta.url }
}

function replaceRequire(loader: CommonJsLoader): void {
  const resolveFilename = loader._resolveFilename.bind(loader)
  loader._resolveFilename = (specifier, ...rest) => {
    try {
      return resolveFilename(specifier, ...rest)
    } catch (error) {
      if (!SERVER_PACKAGES.test(specifier)) throw error
      return serverRequire.resolve(specifier)
    }
  }
}
