/** Asks a module for its description, in a thread or process of its own, without running any of its hooks. */
import { ThreadSession, type ThreadSessionOptions, withinStartTimeout } from './thread-session.ts'
import { startLine } from './start-line.ts'
import { WORKERS } from './workers.ts'

type DescribeOptions = Omit<ThreadSessionOptions, 'Worker'> & {
  startTimeoutMs: number
  /** Aborted, it ends the thread early, or takes it out of the line of starts. */
  signal: AbortSignal
}

/**
 * Returns the thread that has described its module. The caller owns the thread, and starts or ends it.
 * @throws START_FAILED after `startTimeoutMs`; MODULE_REFUSED; CONFLICT if aborted; whatever the module throws
 */
export async function describeModule({ startTimeoutMs, signal, ...options }: DescribeOptions): Promise<ThreadSession> {
  const endTurn = await startLine.turn(options.service, signal)
  const session = new ThreadSession({ ...options, Worker: WORKERS[options.isolation] })
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
    endTurn()
  }
}
