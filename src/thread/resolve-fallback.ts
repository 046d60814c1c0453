/**
 * A resolve hook: a folder of modules without `node_modules` gets `threadplane` and `zod` from the server's own
 * package. Registered by load-module only where it is needed.
 */
import type { ResolveHook } from 'node:module'

const SHARED = /^(threadplane|zod)(\/|$)/

export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  try {
    return await nextResolve(specifier, context)
  } catch (error) {
    if (!SHARED.test(specifier)) throw error
    return nextResolve(specifier, { ...context, parentURL: import.meta.url })
  }
}
