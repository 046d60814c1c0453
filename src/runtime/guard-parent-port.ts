/**
 * Keeps a service module from posting messages of its own on `parentPort`: nothing reads them, but the control thread
 * would receive each one, and a flood of them would block it. Such messages are dropped in the thread, with a warning.
 */
import type { MessagePort } from 'node:worker_threads'
import { FloodLimit } from './flood-limit.ts'
import type { ThreadLogger } from './thread-logger.ts'

const LIMIT = { what: 'messages', most: 10_000, periodMs: 10_000 }

/**
 * Replaces `postMessage` of the port. Take the original method before.
 * @param onFlood called when a module posts too many messages; it has to end the thread
 */
export function guardParentPort(port: MessagePort, logger: ThreadLogger, onFlood: (error: Error) => void): void {
  const limit = new FloodLimit(LIMIT, onFlood)
  let warned = false
  port.postMessage = () => {
    if (!warned) logger.write('warn', 'the module posts messages on parentPort: nothing reads them, they are dropped')
    warned = true
    limit.count(performance.now())
  }
}
