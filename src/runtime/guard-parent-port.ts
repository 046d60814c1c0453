/**
 * Keeps the thread's port to this package. What a module posts on `parentPort` itself has no reader; read by nobody it
 * would still be received by the control thread, and a flood of it is all that one would do. So it is not sent.
 */
import type { MessagePort } from 'node:worker_threads'
import { FloodGauge } from './flood-limit.ts'
import type { ThreadLogger } from './thread-logger.ts'

const LIMIT = { what: 'messages', most: 10_000, periodMs: 10_000 }

/**
 * Takes `postMessage` from everybody else.
 * @param flooded ends the thread, for this reason
 */
export function keepPort(port: MessagePort, logger: ThreadLogger, flooded: (reason: Error) => void): void {
  const gauge = new FloodGauge(LIMIT, flooded)
  let told = false
  port.postMessage = () => {
    if (!told) logger.write('warn', 'what a module posts on parentPort has no reader, and is not sent')
    told = true
    gauge.count(performance.now())
  }
}
