/**
 * A resolve hook: a folder of modules without `node_modules` gets `threadplane` and `zod` from the server's own
 * package. It runs in the service's thread where Node can do that; Node 20 makes a second thread for it.
 */
import * as nodeModule from 'node:module'
import { register, type ResolveHook, type ResolveHookContext } from 'node:module'

type Resolve<Result> = (
  specifier: string,
  context: ResolveHookContext,
  nextResolve: (specifier: string, context: ResolveHookContext) => Result,
) => Result

/** Of Node 22.15 and newer. */
interface InThread {
  registerHooks?: (hooks: { resolve: Resolve<unknown> }) => void
}

const SHARED = /^(threadplane|zod)(\/|$)/

/** From now on, for what this thread imports. */
export function resolveFromServer(): void {
  const { registerHooks } = nodeModule as InThread
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

/** What Node 20 calls in that other thread. */
export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  try {
    return await nextResolve(specifier, context)
  } catch (error) {
    return nextResolve(specifier, fromServer(specifier, context, error))
  }
}

function fromServer(specifier: string, context: ResolveHookContext, error: unknown): ResolveHookContext {
  if (!SHARED.test(specifier)) throw error
  return { ...context, parentURL: import.meta.url }
}
