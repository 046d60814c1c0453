/** Has a module describe itself in a thread, or process, in which no hook of it runs before somebody starts it. */
import { ThreadSession, type ThreadSessionOptions, withinStartTimeout } from './thread-session.ts'

type DescribeOptions = Omit<ThreadSessionOptions, 'Worker'> & {
  startTimeoutMs: number
  /** Ends it early. */
  signal: AbortSignal
}

/**
 * The thread that has described its module; it is the caller's, to be started or ended.
 * @throws START_FAILED after `startTimeoutMs`; MODULE_REFUSED; whatever the module throws
 */
export async function describeModule({ startTimeoutMs, signal, ...options }: DescribeOptions): Promise<ThreadSession> {
  const session = new ThreadSession(options)
  const end = () => void session.terminate()
  signal.addEventListener('abort', end, { once: true })
  try {
    await withinStartTimeout(session, session.described, startTimeoutMs, `the description of ${options.service}`)
    return session
  } catch (error) {
    await session.terminate()
    throw error
  } finally {
    signal.removeEventListener('abort', end)
  }
}
