/** Has a module describe itself in a thread, or process, that lives for nothing else: no hook of it runs. */
import type { ServiceDescription } from '../protocol.ts'
import { ThreadSession, type ThreadSessionOptions, withinStartTimeout } from './thread-session.ts'

type DescribeOptions = Omit<ThreadSessionOptions, 'onMessage' | 'onDeath' | 'onResponsive'> & {
  startTimeoutMs: number
  /** Ends it early. */
  signal: AbortSignal
}

/** @throws START_FAILED after `startTimeoutMs`; MODULE_REFUSED; whatever the module throws */
export async function describeModule({
  startTimeoutMs,
  signal,
  ...options
}: DescribeOptions): Promise<ServiceDescription> {
  const session = new ThreadSession({ ...options, onMessage: () => {}, onDeath: () => {}, onResponsive: () => {} })
  const end = () => void session.terminate()
  signal.addEventListener('abort', end, { once: true })
  try {
    return await withinStartTimeout(session, session.described, startTimeoutMs, `the description of ${options.service}`)
  } finally {
    signal.removeEventListener('abort', end)
    await session.terminate()
  }
}
