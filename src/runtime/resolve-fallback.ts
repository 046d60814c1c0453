/**
 * A module resolve hook: a service module whose folder has no `node_modules` gets `threadplane` and `zod` from the
 * server's own package. From Node 22.15 on, the hook runs in the service's thread; Node 20 runs it in a thread that it
 * starts for hooks, and loads this file there.
 */
import * as nodeModule from 'node:module'
import { register, type ResolveHook, type ResolveHookContext } from 'node:module'

type Resolve<Result> = (
  specifier: string,
  context: ResolveHookContext,
  nextResolve: (specifier: string, context: ResolveHookContext) => Result,
) => Result

/** Missing in the types of Node 20. */
interface InThreadHooks {
  registerHooks?: (hooks: { resolve: Resolve<unknown> }) => void
}

const SERVER_PACKAGES = /^(threadplane|zod)(\/|$)/

/** Installs the hook for all that this thread imports from now on. */
export function resolveFromServer(): void {
  const { registerHooks } = nodeModule as InThreadHooks
  if (registerHooks === undefined) register('./resolve-fallback.js', import.meta.url)
  else registerHooks({ resolve: resolveInThread })
}

const resolveInThread: Resolve<unknown> = (specifier, context, nextResolve) => {
  try {
    return nextResolve(specifier, context)
  } catch (error) {
    return nextResolve(specifier, fromServer(specifier, context, error))
  }
}

/** The export that Node 20 calls in its thread for hooks. */
export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  try {
    return await nextResolve(specifier, context)
  } catch (error) {
    return nextResolve(specifier, fromServer(specifier, context, error))
  }
}

/** The context to resolve again with. @throws the error of the first try, for any other package */
function fromServer(specifier: string, context: ResolveHookContext, error: unknown): ResolveHookContext {
  if (!SERVER_PACKAGES.test(specifier)) throw error
  return { ...context, parentURL: import.meta.url }
}
