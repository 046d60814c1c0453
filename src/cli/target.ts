/** Which server a command is for. */
import { UsageError } from './exit-codes.ts'
import { type Context, readContexts } from './input/contexts-file.ts'

const DEFAULT_URL = 'http://127.0.0.1:8080'

export interface TargetFlags {
  url?: string
  token?: string
  context?: string
}

/**
 * In this order: the flags, THREADPLANE_URL and THREADPLANE_TOKEN, THREADPLANE_CONTEXT, the current context of the file,
 * 127.0.0.1:8080. The token of a context is sent to the URL of the context only.
 * @throws UsageError
 */
export async function targetOf(flags: TargetFlags, env: NodeJS.ProcessEnv): Promise<Context> {
  const { THREADPLANE_URL, THREADPLANE_TOKEN, THREADPLANE_CONTEXT } = env
  const url = flags.url ?? (flags.context === undefined ? THREADPLANE_URL : undefined)
  const token = flags.token ?? (flags.context === undefined ? THREADPLANE_TOKEN : undefined)
  if (url) return target(url, token)
  const { current, contexts } = await readContexts(env)
  const name = flags.context ?? (THREADPLANE_CONTEXT || current)
  if (name === undefined) return target(DEFAULT_URL, token)
  const context = Object.hasOwn(contexts, name) ? contexts[name] : undefined
  if (context === undefined) {
    const names = Object.keys(contexts).join(', ') || 'none'
    throw new UsageError(`there is no context ${JSON.stringify(name)}; there are: ${names}`)
  }
  return target(context.url, token ?? context.token)
}

function target(url: string, token: string | undefined): Context {
  const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
  if (!isHttp) throw new UsageError(`${JSON.stringify(url)} is no URL of a server: use one as ${DEFAULT_URL}`)
  return { url, ...(token && { token }) }
}
