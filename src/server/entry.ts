/** What the supervisor process forks: the server, which tells it what it has to know, and does not outlive it. */
import { readConfig } from '../config.ts'
import { endWithMessage } from '../log.ts'
import type { ServerMessage } from '../contract/server-message.ts'

/** What is on disk is made for this (P2, P3), and nobody would bring back what goes on without a supervisor. */
const end = () => process.kill(process.pid, 'SIGKILL')
process.once('disconnect', end)
if (!process.connected) end()

const tell = (message: ServerMessage) => new Promise<void>((resolve) => process.send?.(message, () => resolve()))

try {
  const { serve } = await import('./serve.ts')
  await serve(readConfig(process.env), tell)
} catch (error) {
  endWithMessage(error)
}
