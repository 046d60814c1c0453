/** The client of a command, and what it tells of its requests: `--trace`, and that a server is waited for. */
import type { Plane, PlaneError } from '../client/index.ts'
import type { Context } from './input/contexts-file.ts'
import { httpFetch } from './http-fetch.ts'
import type { Io } from './io.ts'

/**
 * Enough for a server that is being started again: they take up to 11 s together. `--timeout` bounds them, too.
 */
const RETRIES = 6

interface ConnectSettings {
  timeoutMs: number
  /** Write a line for each request. */
  hasTrace: boolean
  note: (text: string) => void
}

export async function connect(io: Io, { url, token }: Context, settings: ConnectSettings): Promise<Plane> {
  const { createClient } = await import('../client/index.ts')
  let isWaiting = false
  const fetch = async (target: string, init: RequestInit): Promise<Response> => {
    const since = performance.now()
    const trace = (outcome: string) => {
      if (!settings.hasTrace) return
      const { pathname, search } = new URL(target)
      const tookMs = Math.round(performance.now() - since)
      io.stderr.write(`${init.method ?? 'GET'} ${pathname}${search} ${outcome} ${tookMs} ms\n`)
    }
    try {
      const response = await httpFetch(target, init)
      trace(String(response.status))
      return response
    } catch (error) {
      const { code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
      trace(code ?? message)
      if (code === 'ECONNREFUSED' && !isWaiting) settings.note(`no server answers at ${url}; trying again …`)
      isWaiting ||= code === 'ECONNREFUSED'
      throw error
    }
  }
  return createClient({ url, token, timeoutMs: settings.timeoutMs, retries: RETRIES, retryIf: isTransition, fetch })
}

/** The server comes or goes. Everything else the person gets to know at once, with an exit code to try again later. */
function isTransition({ status, code }: PlaneError): boolean {
  return status === 0 || code === 'SHUTTING_DOWN' || code === 'INVALID_ANSWER'
}
